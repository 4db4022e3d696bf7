"""What the fault proxy can do to a connection, per direction."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum


class Direction(StrEnum):
    TO_SERVER = "to server"
    TO_CLIENT = "to client"


class Fault(StrEnum):
    """Keys of the proxy's count of faults that struck."""

    LATENCY = "latency"
    BLACK_HOLE = "black hole"
    CUT = "cut"
    RESET = "reset"
    REFUSE = "refuse"


@dataclass(frozen=True, eq=False)
class Faults:
    """The faults of one direction from one change to the next.

    `latency` in seconds; `cut_after` in bytes per connection; `replaced` is set when other faults hold.
    """

    latency: float = 0.0
    black_hole: bool = False
    cut_after: int | None = None
    replaced: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Weather:
    """The faults that hold now; read and replaced inside the proxy's loop only."""

    refusing: bool = False
    ways: dict[Direction, Faults] = field(default_factory=lambda: {way: Faults() for way in Direction})

    def replace(self, ways: tuple[Direction, ...], faults: Faults) -> None:
        """Let `faults` hold in `ways` (all, when none is named) and wake those the old ones made wait."""
        for way in ways or tuple(Direction):
            before, self.ways[way] = self.ways[way], faults
            before.replaced.set()

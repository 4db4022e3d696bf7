"""What the runtime hands a connector: all of the runtime it can see."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from eventspan.state import MemoryStore, StateStore


async def _nothing(lanes: Collection[str]) -> None:
    """Release lanes nobody is using."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One side of one bridge, as its connector sees it."""

    bridge: str = "test"
    """Name of the bridge: unique within a worker, stable over restarts."""
    side: str = "source"
    """``source``, ``sinks.NAME`` or ``dead_letter``: how messages name this end."""
    state: StateStore = field(default_factory=MemoryStore)
    """Positions and leases, for what has no broker to keep them."""
    folder: Path | None = None
    """A folder this side may write to; None where the runtime has none."""
    releasing: Callable[[Collection[str]], Awaitable[None]] = _nothing
    """Await it before giving lanes up on purpose: the runtime stops dispatching them
    and returns when they are settled or ``revoke_timeout`` has passed. Commit and
    raise the epoch after it."""
    trouble: Callable[[Exception | None], None] = lambda error: None
    """Call it when nothing moves although nothing has failed, with the reason, and with None
    once it moves again: the state of the side shows it."""
    lost: Callable[[Collection[str]], None] = lambda lanes: None
    """Call it when lanes are already gone: what waits for them is dropped unwritten."""

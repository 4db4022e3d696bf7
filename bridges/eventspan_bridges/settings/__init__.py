"""The bridge file, typed: what a worker runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from eventspan.connector import Connector
from eventspan.settings import Count, Duration, Rate, Settings, Size

if TYPE_CHECKING:
    from eventspan_bridges.expressions import Condition, Expression
    from eventspan_bridges.expressions.templates import Template
    from eventspan_bridges.steps import Step

PositiveSize = Annotated[Size, Field(gt=0)]
Wait = Annotated[Duration, Field(gt=0)]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Place("", 0, 0)
"""The place of what was built in Python."""


class Delivery(Settings):
    """What a bridge promises, and how much it may hold unsettled."""

    guarantee: Literal["at_least_once", "exactly_once", "at_most_once"] = "at_least_once"
    """``at_least_once``: nothing is lost, a crash may repeat. The others are refused for now."""
    ordering: Literal["key", "lane", "none"] = "key"
    """What keeps its order: events of one key, whole lanes, or nothing."""
    in_flight: Count = 4096
    """Events read and not yet settled. Capped at what the source can leave pending."""
    in_flight_bytes: PositiveSize = 64 * 2**20
    """Memory of events read and not yet settled: their bodies, and about what their headers take."""
    max_age: Wait | None = 300.0
    """Alert when the oldest unsettled event is older."""
    drain_timeout: Duration = 30.0
    """How long a stop waits for what is in flight."""
    revoke_timeout: Duration = 20.0
    """How long a planned revoke waits for what is in flight of its lanes."""
    expired: Literal["deliver", "drop"] = "deliver"
    """What becomes of an event whose ``expirytime`` has passed."""


class Retry(Settings):
    """How often, and how soon, a write that failed for now is tried again."""

    first: Wait = 0.2
    """Longest wait before the second attempt; it doubles from there, with full jitter."""
    max: Wait = 30.0
    """Longest wait between two attempts."""
    attempts: Count | None = None
    """Attempts before an event becomes a dead letter; unlimited when absent."""

    @model_validator(mode="after")
    def _grows(self) -> Retry:
        if self.max < self.first:
            raise ValueError("max is shorter than first")
        return self


class Limits(Settings):
    """What a bridge takes at most."""

    rate: Rate | None = None
    """Events a second."""
    max_event: PositiveSize | None = None
    """Data of one event; a larger one becomes a dead letter."""


class Buffer(Settings):
    """What waits for an optional sink, and what gives way when it is full."""

    events: Count = 10_000
    """Events that may wait."""
    when_full: Literal["drop_oldest", "drop_newest"] = "drop_oldest"
    """Which event is given up."""


@dataclass(frozen=True)
class End:
    """One side of a bridge: a connector and its validated settings."""

    connector: Connector
    settings: Settings
    side: str
    """``source``, ``sinks.NAME`` or ``dead_letter``."""
    place: Place = NOWHERE


@dataclass(frozen=True)
class SinkEnd(End):
    """A side that takes events."""

    optional: bool = False
    """The source does not wait for it; its ``buffer`` overflows instead."""
    buffer: Buffer = field(default_factory=Buffer)
    order_by: Expression | None = None
    allow: tuple[str, ...] = ()
    """Globs that a computed destination may match."""
    destination: tuple[Template | str, ...] | None = None
    """One per name in the connector's ``destinations``; None when nothing is computed."""


@dataclass(frozen=True)
class Route:
    """Where events go that meet a condition; the first route that matches wins."""

    when: Condition | None
    """None: whatever matched no route before."""
    to: tuple[str, ...]
    """Names of sinks; none filters the event."""


@dataclass(frozen=True)
class BridgeSettings:
    """One bridge, complete and checked."""

    name: str
    source: End
    sinks: Mapping[str, SinkEnd]
    description: str = ""
    steps: tuple[Step, ...] = ()
    route: tuple[Route, ...] | None = None
    """None: every sink gets every event."""
    delivery: Delivery = field(default_factory=Delivery)
    retry: Retry = field(default_factory=Retry)
    dead_letter: SinkEnd | None = None
    """Never computed, never optional. None: stop instead."""
    limits: Limits = field(default_factory=Limits)
    tests: tuple[Mapping[str, Any], ...] = ()
    """Examples as written: ``name``, ``given`` and ``expect``."""
    place: Place = NOWHERE


def load(paths: Sequence[Path], environment: Mapping[str, str] = os.environ) -> list[BridgeSettings]:
    """Read bridge files, and folders of them, as one set.

    Raises:
        BridgeFileError: Something is wrong; it carries every fault of every file.

    """
    # ruamel and the checks are heavy, and a bridge built in Python needs neither.
    from eventspan_bridges.settings.check import check

    return check(paths, environment).accepted()

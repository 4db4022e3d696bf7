"""The protocols a connector implements: Source, Sink, and what else it can do."""

from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from eventspan.batch import Batch, Span
from eventspan.event import Event, Position


class Endpoint(Protocol):
    """The life of a connection, shared by sources and sinks."""

    async def connect(self) -> None:
        """Open the connection.

        Called before anything else, and again, with back-off, after every
        ``NotConnected`` and as the probe after ``Halted``. Calling it while
        connected does nothing. A cancelled call has left nothing open that
        ``close`` would not release.

        Raises:
            NotConnected: Not reachable now; it is tried again.
            Halted: Refused: wrong credentials, no permission, a missing target.
            ConfigError: It can never work with these settings.

        """
        ...

    async def close(self) -> None:
        """Release everything, within seconds. Safe twice, and without ``connect``.

        A source first makes recorded acknowledgements durable and then hands the
        rest back. A sink's writes are settled before it is called, or given up.
        """
        ...


class Source(Endpoint, Protocol):
    """Yields batches, each with its own acknowledgement."""

    async def read(self) -> Batch:
        """Wait for the next batch, about 500 events at most.

        A cancelled read has taken no event. Batches are settled in any order, at
        any later time, on the loop that reads; the source never reports progress
        past a record that is not terminal. From here to there the source alone
        keeps the events alive: heartbeats, leases, polls.

        Raises:
            NotConnected: The connection is gone, or an acknowledgement keeps failing.
            EndOfStream: There will be no more batches; unsettled ones stay valid.
            Halted: Nothing more can be read until something outside changes.

        """
        ...


class Sink(Endpoint, Protocol):
    """Takes events in call order and says when the far side has them."""

    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> Awaitable[None] | None:
        """Take every event, in order.

        Returns None when they are durable at the far side, or an awaitable that
        ends when they are; errors come from either. ``write`` is not called again
        before it has returned, but it is while awaitables are outstanding. Waiting
        inside ``write`` is back-pressure. After a cancelled call nothing is known
        of its events.

        Raises:
            NotConnected: The connection is gone; ambiguous for every event.
            PartialWrite: Some events failed; the exception says which and why.
            Rejected: The one event, or some of several, will never be accepted.
            Halted: No event passes until something outside changes.

        """
        ...


Edge: TypeAlias = Literal["earliest", "latest"]
Target: TypeAlias = Position | Edge | datetime
"""Where to seek: a position of the connector's own, an edge of the lane, or a time."""


@runtime_checkable
class Positioned(Protocol):
    """A source whose progress can be seen and set. All verbs need ``connect`` first."""

    async def positions(self) -> Mapping[str, Position | None]:
        """The committed position of every lane, readable or not; None where there is none."""
        ...

    async def seek(self, targets: Mapping[str, Target]) -> Mapping[str, Position]:
        """Set committed positions while nothing is in flight; returns what they became."""
        ...

    async def lag(self) -> Mapping[str, int]:
        """How many records wait behind the committed position of each lane."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """A source that can be read to an end."""

    async def bound(self) -> None:
        """Fix the end at what is there now; past it ``read`` raises ``EndOfStream``.

        Called after ``connect``. A queue has no visible end: there it is reached
        after ``idle`` without a message.
        """
        ...


@runtime_checkable
class Pausable(Protocol):
    """A source that can stop admitting records while pending ones stay alive."""

    async def pause(self) -> None:
        """Fetch no more; what was read keeps its lease. ``read`` waits meanwhile."""
        ...

    async def resume(self) -> None: ...


@runtime_checkable
class Buffering(Protocol):
    """A sink that acknowledges minutes later and retries from a buffer of its own."""

    async def flush(self, lanes: Collection[str] | None = None) -> None:
        """Make everything, or these lanes, durable now; returns when it is."""
        ...

    async def discard(self, lanes: Collection[str]) -> None:
        """Forget what is buffered of these lanes: they belong to somebody else now."""
        ...


@runtime_checkable
class Delivered(Protocol):
    """A sink that knows how far it has got."""

    async def delivered(self, lane: str) -> Position | None:
        """The ``next`` position of the last span of this lane that is durable."""
        ...


class Level(Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(msgspec.Struct, frozen=True):
    """One thing a check has looked at."""

    subject: str
    """What was looked at: ``dns``, ``tls``, ``topic orders``."""
    level: Level
    message: str
    help: str | None = None


@runtime_checkable
class Checkable(Protocol):
    """An endpoint that can say what is wrong with it before it is used."""

    async def check(self) -> Sequence[Finding]:
        """Look, without ``connect`` before and without any side effect."""
        ...


@runtime_checkable
class Browsable(Protocol):
    """A source that can be looked through without consuming anything."""

    def browse(self) -> AsyncIterator[Event]:
        """Every event there now, oldest first. Moves no position. Needs ``connect``."""
        ...

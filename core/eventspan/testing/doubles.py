"""A source that plays a script and a sink that fails on cue, for tests of what runs connectors."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias

from eventspan.batch import Batch, Span
from eventspan.connector import SinkTraits, SourceTraits
from eventspan.errors import EndOfStream, PartialWrite
from eventspan.event import Event
from eventspan.tracker import Tracker

Line: TypeAlias = Sequence[Event] | BaseException | asyncio.Event
"""One step of a script: events that make a batch, an error that ``read`` raises, or an
``asyncio.Event`` it waits for."""


class Script:
    """A source that plays its lines, one for each ``read``, then ``EndOfStream`` or nothing.

    Its lane is ``script`` and a position is the number of events before it. Nothing
    is offered a second time. ``acked`` and ``nacked`` record what became of the events,
    ``committed`` how far everything is settled.
    """

    def __init__(
        self, *lines: Line, ends: bool = True, lane: str = "script", traits: SourceTraits | None = None
    ) -> None:
        self.traits = traits or SourceTraits(sortable=True, stable=True)
        self.lane = lane
        self.acked: list[Event] = []
        self.nacked: list[tuple[Event, Exception]] = []
        self.connects = 0
        self.closes = 0
        self._lines = deque(lines)
        self._ends = ends
        self._read = 0
        self._tracker = Tracker()
        self._more = asyncio.Event()

    def play(self, *lines: Line) -> None:
        """Add lines to the end of the script."""
        self._lines.extend(lines)
        self._more.set()

    @property
    def committed(self) -> int:
        """How many of the first events read are all settled by ``ack``."""
        mark = self._tracker.lanes[self.lane].mark if self.lane in self._tracker.lanes else 0
        return int(mark or 0)

    @property
    def pending(self) -> int:
        """Events of the current connection that are not acknowledged."""
        return self._tracker.pending

    async def connect(self) -> None:
        self.connects += 1
        self._tracker.assign(self.lane, self.committed)

    async def read(self) -> Batch:
        while not self._lines:
            if self._ends:
                raise EndOfStream("the script is over")
            self._more.clear()
            await self._more.wait()
        line = self._lines[0]
        if isinstance(line, asyncio.Event):
            await line.wait()
            # It may have been taken by nobody else: one read at a time.
            self._lines.popleft()
            return await self.read()
        self._lines.popleft()
        if isinstance(line, BaseException):
            raise line
        return self._batch(line)

    def _batch(self, events: Sequence[Event]) -> Batch:
        first, self._read = self._read, self._read + len(events)
        span = self._tracker.span(self.lane, 0, len(events), first, self._read)
        return Batch(list(events), [span], self._settle)

    def _settle(self, batch: Batch, reason: Exception | None) -> None:
        self._tracker.settle(batch, reason)
        events = [batch.events[n] for n in batch.indexes()]
        if reason is None:
            self.acked += events
        else:
            self.nacked += [(event, reason) for event in events]

    async def close(self) -> None:
        self.closes += 1
        self._tracker.revoke(self.lane)


Cue: TypeAlias = "Exception | Callable[[Sequence[Event]], Awaitable[None] | None] | None"
"""What one ``write`` does: raise an error, call a function that decides, or succeed."""


class Collect:
    """A sink that keeps what it is given and follows its cues, one for each ``write``.

    After the last cue every write succeeds. ``events`` holds what is durable, in
    order; ``calls`` what each write was given.
    """

    def __init__(self, *cues: Cue, traits: SinkTraits | None = None) -> None:
        self.traits = traits or SinkTraits(keeps_order=True)
        self.events: list[Event] = []
        self.calls: list[tuple[Event, ...]] = []
        self.spans: list[tuple[Span, ...]] = []
        self.held: list[asyncio.Future[None]] = []
        """What ``hold`` has promised: set its result to make the write durable, or an exception."""
        self.connects = 0
        self.closes = 0
        self._cues = deque(cues)

    @property
    def ids(self) -> list[str]:
        """Ids of what is durable, in order."""
        return [event.id for event in self.events]

    def cue(self, *cues: Cue) -> None:
        """Add cues behind those that are left."""
        self._cues.extend(cues)

    async def connect(self) -> None:
        self.connects += 1

    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> Awaitable[None] | None:
        self.calls.append(tuple(events))
        self.spans.append(tuple(spans))
        cue = self._cues.popleft() if self._cues else None
        if isinstance(cue, PartialWrite):
            self.events += [event for n, event in enumerate(events) if n not in cue.failures]
        if isinstance(cue, Exception):
            raise cue
        if cue is not None:
            return cue(events)
        self.events += events
        return None

    def hold(self, events: Sequence[Event]) -> Awaitable[None]:
        """Cue: taken now, durable when the test resolves the newest of ``held``."""
        promise: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.held.append(promise)

        async def durable() -> None:
            await promise
            self.events.extend(events)

        return asyncio.ensure_future(durable())

    def later(self, error: Exception) -> Callable[[Sequence[Event]], Awaitable[None]]:
        """Cue: taken, and the awaitable raises ``error``. A ``PartialWrite`` keeps the rest."""

        async def fail(events: Sequence[Event]) -> None:
            if isinstance(error, PartialWrite):
                self.events += [event for n, event in enumerate(events) if n not in error.failures]
            raise error

        return fail

    def ambiguous(self, error: Exception) -> Callable[[Sequence[Event]], None]:
        """Cue: written, and yet ``write`` raises ``error``, as when the reply is cut off."""

        def fail(events: Sequence[Event]) -> None:
            self.events += events
            raise error

        return fail

    def never(self, events: Sequence[Event]) -> Awaitable[None]:
        """Cue: taken, and never heard of again."""
        return asyncio.get_running_loop().create_future()

    def refuse(self, ids: Iterable[str], error: Exception) -> Callable[[Sequence[Event]], None]:
        """Cue: a ``PartialWrite`` that fails the events with these ids by ``error``."""
        wanted = frozenset(ids)

        def fail(events: Sequence[Event]) -> None:
            failures = {n: error for n, event in enumerate(events) if event.id in wanted}
            self.events += [event for n, event in enumerate(events) if n not in failures]
            if failures:
                raise PartialWrite(failures)

        return fail

    async def close(self) -> None:
        self.closes += 1

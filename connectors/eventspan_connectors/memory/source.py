"""Reads a log of this process."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from eventspan import Batch, ConfigError, Context, EndOfStream, Event, Halted, NotConnected, Span, Tracker
from eventspan.endpoint import Finding, Target
from eventspan.event import Position
from eventspan_connectors.memory.config import SourceSettings
from eventspan_connectors.memory.findings import findings
from eventspan_connectors.memory.generate import generate
from eventspan_connectors.memory.log import Consumer, Lane, Log, log


class MemorySource:
    """Commits a position as soon as everything before it is settled."""

    def __init__(self, settings: SourceSettings, context: Context) -> None:
        self._settings = settings
        self._tracker = Tracker(self._commit)
        self._log: Log | None = None
        self._consumer = Consumer()
        self._generation = 0
        self._cursors: dict[str, int] = {}
        self._bounds: dict[str, int] | None = None
        self._again: deque[tuple[Span, list[Event]]] = deque()
        self._paused = False
        self._generator: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        found = log(self._settings.name, self._settings.lanes)
        if self._log is found and self._generation == found.generation and self._consumer.owner is self:
            return
        self._log, self._generation = found, found.generation
        self._consumer = found.consumers.setdefault(self._settings.consumer, Consumer())
        self._consumer.owner = self
        self._again.clear()
        for lane in found.lanes.values():
            self._assign(found, lane)
        if self._settings.generate is not None and self._generator is None:
            self._generator = asyncio.create_task(generate(found, self._settings.generate))

    def _assign(self, found: Log, lane: Lane) -> None:
        committed = self._consumer.committed
        if lane.name not in committed and self._settings.start == "latest":
            # Kept at once: a restart must not skip what arrives from now on.
            committed[lane.name] = lane.end
        self._tracker.assign(lane.name, committed.get(lane.name))
        self._cursors[lane.name] = found.committed(self._consumer, lane)

    async def read(self) -> Batch:
        while True:
            found = self._connected()
            batch = None if self._paused else self._take(found)
            if batch is not None:
                return batch
            if self._ended():
                raise EndOfStream(f"log {found.name!r} is read to its end")
            await found.changed()

    def _take(self, found: Log) -> Batch | None:
        """What is to be offered now; nothing here waits, so a cancelled read has taken nothing."""
        if self._again:
            span, events = self._again.popleft()
            return Batch(events, [span], self._settle)
        events, spans = list[Event](), list[Span]()
        for lane in found.lanes.values():
            first = self._cursors[lane.name]
            stop = min(lane.end, self._bound(lane), first + self._settings.batch - len(events))
            if stop > first:
                at = len(events)
                events += lane.slice(first, stop)
                spans.append(self._tracker.span(lane.name, at, len(events), first, stop))
                self._cursors[lane.name] = stop
        return Batch(events, spans, self._settle) if events else None

    def _bound(self, lane: Lane) -> int:
        return lane.end if self._bounds is None else self._bounds[lane.name]

    def _ended(self) -> bool:
        if self._bounds is None and self._generator is not None and self._generator.done():
            self._generator.result()
            return not self._paused
        return self._bounds is not None and all(self._cursors[n] >= end for n, end in self._bounds.items())

    def _settle(self, batch: Batch, reason: Exception | None) -> None:
        self._tracker.settle(batch, reason)
        if reason is None:
            return
        indexes = batch.indexes()
        for span in batch.spans:
            events = [batch.events[n] for n in indexes if span.start <= n < span.stop]
            if events and span.epoch == self._tracker.lanes[span.lane].epoch:
                again = Span(span.lane, span.epoch, 0, len(events), span.first, span.next, None, span.entry)
                self._again.append((again, events))
        if self._log is not None:
            self._log.wake()

    def _commit(self) -> None:
        if self._log is None:
            return
        for commit in self._tracker.commits():
            # A newer source owns the consumer: its position is not ours to move.
            owned = self._consumer.owner is self
            if owned and isinstance(commit.position, int):
                self._log.advance(self._consumer, commit.lane, commit.position)
            self._tracker.committed(commit, ok=owned)

    def _connected(self) -> Log:
        if self._log is None or self._log.generation != self._generation:
            raise NotConnected(f"log {self._settings.name!r} is not connected")
        if self._consumer.owner is not self:
            raise Halted(
                f"another source reads as consumer {self._settings.consumer!r}",
                help="give each source a consumer of its own",
            )
        return self._log

    async def positions(self) -> Mapping[str, Position | None]:
        return {name: self._consumer.committed.get(name) for name in self._connected().lanes}

    async def seek(self, targets: Mapping[str, Target]) -> Mapping[str, Position]:
        found = self._connected()
        became = {name: _resolve(found.lanes[name], target) for name, target in targets.items()}
        for name, position in became.items():
            found.advance(self._consumer, name, position)
            self._tracker.assign(name, position)
            self._cursors[name] = position
        self._again = deque(entry for entry in self._again if entry[0].lane not in became)
        return dict(became)

    async def lag(self) -> Mapping[str, int]:
        found = self._connected()
        return {lane.name: lane.end - found.committed(self._consumer, lane) for lane in found.lanes.values()}

    async def bound(self) -> None:
        self._bounds = {lane.name: lane.end for lane in self._connected().lanes.values()}

    async def pause(self) -> None:
        self._paused = True

    async def resume(self) -> None:
        self._paused = False
        self._connected().wake()

    async def browse(self) -> AsyncIterator[Event]:
        found = self._connected()
        for lane in found.lanes.values():
            for event in lane.slice(lane.base, lane.end):
                yield event

    async def check(self) -> Sequence[Finding]:
        return findings(self._settings.name, self._settings.lanes)

    async def close(self) -> None:
        found, self._log = self._log, None
        for lane in self._cursors:
            self._tracker.revoke(lane)
        self._again.clear()
        if self._consumer.owner is self:
            self._consumer.owner = None
        if found is not None:
            found.wake()
        generator, self._generator = self._generator, None
        if generator is not None:
            generator.cancel()
            with suppress(asyncio.CancelledError):
                await generator


def _resolve(lane: Lane, target: Target) -> int:
    if target == "earliest":
        return lane.base
    if target == "latest":
        return lane.end
    if isinstance(target, datetime):
        millis = target.timestamp() * 1000
        events = lane.slice(lane.base, lane.end)
        later = (n for n, event in enumerate(events) if (event.transport.timestamp or 0) >= millis)
        return next((lane.base + n for n in later), lane.end)
    if not isinstance(target, int) or not lane.base <= target <= lane.end:
        raise ConfigError(f"{target!r} is no position of lane {lane.name}: {lane.base} to {lane.end}")
    return target

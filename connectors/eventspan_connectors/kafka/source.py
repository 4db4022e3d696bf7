"""The source: reads partitions as a member of a group, and commits only what is settled."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from eventspan.batch import Batch, Span
from eventspan.context import Context
from eventspan.endpoint import Finding, Target
from eventspan.errors import ConfigError, EndOfStream, Halted, NotConnected, PositionLost
from eventspan.event import Event, Position
from eventspan.failpoints import failpoint
from eventspan.tracker import Commit, Tracker
from eventspan_connectors.kafka import checks, positions
from eventspan_connectors.kafka.blocking import Blocking
from eventspan_connectors.kafka.browse import browse
from eventspan_connectors.kafka.commits import Committer, offsets_of
from eventspan_connectors.kafka.config import KafkaSource
from eventspan_connectors.kafka.errors import is_final, translate
from eventspan_connectors.kafka.lookup import Lookup
from eventspan_connectors.kafka.owner import Owner
from eventspan_connectors.kafka.records import Maker, Part, lane_of

CLOSE_SECS = 10.0
SETTLE_SECS = 3.0
"""How long leaving may wait for a last commit."""


class _Arrival:
    """Fetched records, and the epochs of their lanes when they came."""

    __slots__ = ("counted", "epochs", "parts")

    def __init__(self, parts: list[Part], epochs: list[int], counted: bool) -> None:
        self.parts = parts
        self.epochs = epochs
        self.counted = counted


class Source:
    """Reads topics. Lanes are ``topic:partition``, positions are offsets."""

    def __init__(self, settings: KafkaSource, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._maker = Maker(settings)
        self._blocking = Blocking()
        self._tracker = Tracker(self._moved)
        self._committer = Committer(self._tracker, self._send, self._commit_failed)
        self._ready: deque[_Arrival] = deque()
        self._wake = asyncio.Event()
        self._lookup: Lookup | None = None
        self._owner: Owner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: Exception | None = None
        self._final: list[Commit] = []
        self._next: dict[str, int] = {}
        self._ends: dict[str, int] | None = None
        self._assigned = False
        self._paused = False
        self._closing = False
        self._connections = 0

    async def connect(self) -> None:
        await self._blocking.idle()
        if self._lookup is not None and self._error is None:
            return
        self._connections += 1
        if self._connections > 1:
            failpoint("reconnect.start")
        await self._drop()
        await self._blocking.run(self._open)
        self._error, self._closing = None, False
        if self._connections > 1:
            failpoint("reconnect.after")

    def _open(self) -> None:
        lookup = Lookup(self._settings)
        try:
            lookup.verify()
        except BaseException:
            lookup.close()
            raise
        self._lookup = lookup

    async def read(self) -> Batch:
        failpoint("source.before_poll")
        while True:
            self._ask_for_more()
            await self._anything()
            failpoint("source.after_poll")
            batch = self._take()
            if batch is not None:
                failpoint("source.after_track")
                return batch

    async def close(self) -> None:
        orderly = self._owner is not None and self._error is None
        self._error = self._error or NotConnected("the source is closed")
        self._closing = True
        if orderly:
            await self._committer.settle(SETTLE_SECS)
        await self._drop()

    async def pause(self) -> None:
        self._paused = True
        if self._owner is not None:
            self._owner.hold(True)

    async def resume(self) -> None:
        self._paused = False
        if self._owner is not None:
            self._owner.hold(False)

    async def bound(self) -> None:
        self._ends = await self._blocking.run(positions.ends, self._connected())

    async def positions(self) -> Mapping[str, Position | None]:
        return await self._blocking.run(positions.committed, self._connected())

    async def lag(self) -> Mapping[str, int]:
        return await self._blocking.run(positions.lag, self._connected(), self._settings.start)

    async def seek(self, targets: Mapping[str, Target]) -> Mapping[str, Position]:
        """Refused while a group that reads elsewhere owns the lane."""
        lookup = self._connected()
        offsets = await self._blocking.run(positions.resolve, lookup, targets)
        if self._owner is None:
            await self._blocking.run(lookup.commit, offsets)
        else:
            foreign = [lane for lane in _lanes(offsets) if not self._tracker.owns(lane)]
            if foreign:
                raise Halted(f"{foreign[0]} is read by another member of the group", help="stop it first")
            self._committer.reset()
            await asyncio.wrap_future(self._owner.rewind(offsets))
        return {lane_of(tp.topic, tp.partition): tp.offset for tp in offsets}

    def browse(self) -> AsyncIterator[Event]:
        return browse(self._settings, self._maker, self._connected())

    async def check(self) -> Sequence[Finding]:
        return await self._blocking.run(checks.source, self._settings)

    def _connected(self) -> Lookup:
        if self._lookup is None:
            raise self._error or NotConnected("the source is not connected")
        return self._lookup

    def _ask_for_more(self) -> None:
        """Join the group with the first read, so that looking alone disturbs nobody."""
        if self._error is not None:
            raise self._error
        self._connected()
        if self._owner is None:
            self._loop = asyncio.get_running_loop()
            self._owner = Owner(self._settings, self._maker, self, self._loop)
            if self._paused:
                self._owner.hold(True)
            self._owner.start()

    async def _anything(self) -> None:
        while not self._ready:
            if self._error is not None:
                raise self._error
            if self._finished():
                raise EndOfStream("every partition is read to the end that was fixed")
            self._wake.clear()
            await self._wake.wait()

    def _finished(self) -> bool:
        if self._ends is None or not self._assigned:
            return False
        owned = [lane for lane in self._tracker.lanes if self._tracker.owns(lane)]
        return all(self._next.get(lane, -1) >= self._ends.get(lane, 0) for lane in owned)

    def _take(self) -> Batch | None:
        """Track what arrived first; None when none of it is ours any more, or it has no events."""
        arrival = self._ready.popleft()
        if arrival.counted and self._owner is not None:
            self._owner.taken()
        events: list[Event] = []
        spans: list[Span] = []
        for part, epoch in zip(arrival.parts, arrival.epochs, strict=True):
            lane = self._tracker.lanes.get(part.lane)
            if lane is None or not lane.owned or lane.epoch != epoch:
                continue
            self._cut(part)
            self._track(part, events, spans)
        return Batch(events, spans, self._tracker.settle) if events else None

    def _track(self, part: Part, events: list[Event], spans: list[Span]) -> None:
        start = len(events)
        events += part.events
        if part.events or part.next > self._next.get(part.lane, -1):
            span = self._tracker.span(part.lane, start, len(events), part.first, part.next)
            if part.events:
                spans.append(span)
        self._next[part.lane] = max(part.next, self._next.get(part.lane, -1))

    def _cut(self, part: Part) -> None:
        """Leave out what came after the end was fixed."""
        end = self._ends.get(part.lane) if self._ends is not None else None
        if end is not None and part.next > end:
            part.events = [e for e in part.events if int(e.transport.position or 0) < end]
            part.next = end

    async def _drop(self) -> None:
        """Leave the group after a last commit, and forget what was read from it."""
        self._closing = True
        await self._blocking.idle()
        if self._owner is not None:
            self._owner.stop()
            await self._blocking.run(self._owner.join, CLOSE_SECS)
            if self._owner.is_alive():
                self._owner.mute()
            await asyncio.sleep(0)  # what the thread said last is heard first
            self._owner = None
        if self._lookup is not None:
            await self._blocking.run(self._lookup.close)
            self._lookup = None
        for lane in self._tracker.lanes:
            self._tracker.revoke(lane)
        self._committer.reset()
        self._ready.clear()
        self._next.clear()
        self._assigned = False
        self._wake.set()

    # What the owner tells. All but ``release`` run on the loop.

    def arrived(self, parts: list[Part], counted: bool) -> None:
        """Keep a fetched batch until it is read."""
        lanes = self._tracker.lanes
        epochs = [lanes[part.lane].epoch if part.lane in lanes else -1 for part in parts]
        self._ready.append(_Arrival(parts, epochs, counted))
        self._wake.set()

    def assigned(self, offsets: list[TopicPartition]) -> None:
        """Own partitions from their committed offsets on."""
        self._discard(_lanes(offsets))
        for tp in offsets:
            known = tp.offset if tp.offset >= 0 else None
            lane = lane_of(tp.topic, tp.partition)
            self._tracker.assign(lane, known)
            self._next.pop(lane, None)
        self._assigned = True
        self._wake.set()

    def release(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Let the runtime settle lanes that are asked back; returns the last offsets to commit."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return []
        future = asyncio.run_coroutine_threadsafe(self._releasing(_lanes(partitions)), loop)
        with contextlib.suppress(TimeoutError):
            return offsets_of(future.result(self._patience() + 5))
        return []

    def revoked(self, partitions: list[TopicPartition], committed: list[TopicPartition]) -> None:
        """End the epoch of lanes that were given up."""
        done = {lane_of(tp.topic, tp.partition) for tp in committed}
        for commit in self._final:
            self._tracker.committed(commit, ok=commit.lane in done)
        self._final = []
        self._forget(_lanes(partitions))

    def gone(self, partitions: list[TopicPartition]) -> None:
        """End the epoch of lanes that somebody else already has."""
        lanes = _lanes(partitions)
        self._context.lost(lanes)
        self._forget(lanes)

    def committed(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        """Note the outcome of a background commit."""
        self._committer.answered(error, offsets)

    def refused(self, error: KafkaError, what: str) -> None:
        """Judge an error of the client: most it mends by itself."""
        found = translate(error, what, self._settings.servers)
        if isinstance(found, PositionLost):
            found.help = (
                "retention, or a topic made anew, took it away; choose where to go on: eventspan "
                f"offsets set FILE --bridge {self._context.bridge} --lane {what} --to earliest"
            )
        if is_final(error) or isinstance(found, Halted | ConfigError):
            self.failed(found)

    def failed(self, error: Exception) -> None:
        """Give an error to the reader; the first one counts."""
        if isinstance(error, KafkaException):
            error = translate(error, f"group {self._settings.group}", self._settings.servers)
        elif isinstance(error, ValueError):
            error = ConfigError(f"the client library refuses the settings: {error}")
        self._error = self._error or error
        self._wake.set()

    async def _releasing(self, lanes: Collection[str]) -> list[Commit]:
        if not self._closing:
            self._discard(lanes)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience()):
                    await self._context.releasing(lanes)
        self._final = self._committer.final(lanes)
        return self._final

    def _patience(self) -> float:
        """How long a revoke may take: well below what the group waits for a member."""
        interval = float(self._settings.options.get("max.poll.interval.ms", 300_000)) / 1000
        return min(interval * 0.8, CLOSE_SECS if self._closing else interval)

    def _forget(self, lanes: Collection[str]) -> None:
        self._discard(lanes)
        for lane in lanes:
            self._tracker.revoke(lane)
            self._next.pop(lane, None)
        self._wake.set()

    def _discard(self, lanes: Collection[str]) -> None:
        """Drop what was fetched and not read of some lanes."""
        for arrival in self._ready:
            kept = [(p, e) for p, e in zip(arrival.parts, arrival.epochs, strict=True) if p.lane not in lanes]
            arrival.parts = [part for part, _ in kept]
            arrival.epochs = [epoch for _, epoch in kept]

    def _moved(self) -> None:
        if self._owner is not None:
            self._committer.moved()

    def _send(self, offsets: list[TopicPartition]) -> None:
        if self._owner is not None:
            self._owner.commit(offsets)

    def _commit_failed(self, error: KafkaError) -> None:
        found = translate(error, f"commit of group {self._settings.group}", self._settings.servers)
        self.failed(found)


def _lanes(partitions: Collection[TopicPartition]) -> list[str]:
    return [lane_of(tp.topic, tp.partition) for tp in partitions]

"""The kit has teeth: each fault put into the memory connector fails at least one of its tests."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from inspect import iscoroutinefunction
from uuid import uuid4

import pytest

from eventspan import Batch, Context, Event, Rejected, Sink, SinkTraits, Source, SourceTraits, Span
from eventspan.endpoint import Target
from eventspan.event import Position
from eventspan.testing import Networked, RoundTrip, VirtualTimeLoop
from eventspan_connectors.memory.config import SinkSettings, SourceSettings
from eventspan_connectors.memory.log import Lane, Log, forget, log
from eventspan_connectors.memory.sink import MemorySink
from eventspan_connectors.memory.source import MemorySource


class Kit(RoundTrip, Networked):
    """The memory connector with its ends replaced."""

    __test__ = False
    source_traits = SourceTraits(sortable=True, stable=True)
    sink_traits = SinkTraits(keeps_order=True, max_event_bytes=2**20)
    source_class = MemorySource
    sink_class = MemorySink
    batch = 20

    def __init__(self) -> None:
        self.name = uuid4().hex

    def make_source(self) -> Source:
        return self.source_class(SourceSettings(name=self.name, batch=self.batch), Context())

    def make_sink(self) -> Sink:
        settings = SinkSettings.model_validate({"name": self.name, "max_event": "1MiB"})
        return self.sink_class(settings, Context())

    async def abandon(self, source: Source) -> None:
        """A crash: nobody closes it."""

    async def cut(self) -> None:
        log(self.name).cut()


def run(kit: type[Kit], name: str) -> bool:
    """Whether one test of the kit passes."""
    subject = kit()
    try:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(getattr(subject, name)())
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 -- any way to fail is a failure
        return False
    finally:
        forget(subject.name)
    return True


def names_of(kit: type[Kit]) -> Iterator[str]:
    names = (name for name in dir(kit) if name.startswith("test_"))
    return (name for name in names if iscoroutinefunction(getattr(kit, name)))


def failures(source: type[MemorySource], sink: type[MemorySink]) -> set[str]:
    failed = set()
    for size in (1, 3, 20):
        made = type("Mutant", (Kit,), {"source_class": source, "sink_class": sink, "batch": size})
        failed |= {name for name in names_of(made) if not run(made, name)}
    return failed


class CloseAcknowledges(MemorySource):
    async def close(self) -> None:
        if self._log is not None:
            for lane, cursor in self._cursors.items():
                self._log.advance(self._consumer, lane, cursor)
        await super().close()


class CloseForgetsTheAcknowledged(MemorySource):
    def _commit(self) -> None:
        pass


class AckClearsEverything(MemorySource):
    def _settle(self, batch: Batch, reason: Exception | None) -> None:
        super()._settle(batch, reason)
        if reason is None and self._log is not None:
            for lane, cursor in self._cursors.items():
                self._log.advance(self._consumer, lane, cursor)


class AckGoesToTheNewest(MemorySource):
    def _settle(self, batch: Batch, reason: Exception | None) -> None:
        for span in batch.spans:
            if reason is None and self._log is not None and isinstance(span.next, int):
                self._log.advance(self._consumer, span.lane, span.next)


class ReadTakesAndThenWaits(MemorySource):
    async def read(self) -> Batch:
        batch = await super().read()
        await asyncio.sleep(0)
        return batch


class ReadTakesWhileCancelled(MemorySource):
    async def read(self) -> Batch:
        try:
            return await super().read()
        except asyncio.CancelledError:
            if self._log is not None:
                self._take(self._log)
            raise


class ReadCommits(MemorySource):
    async def read(self) -> Batch:
        batch = await super().read()
        if self._log is not None:
            for lane, cursor in self._cursors.items():
                self._log.advance(self._consumer, lane, cursor)
        return batch


class NackDrops(MemorySource):
    def _settle(self, batch: Batch, reason: Exception | None) -> None:
        super()._settle(batch, None)


class LateAckAdvances(MemorySource):
    def _settle(self, batch: Batch, reason: Exception | None) -> None:
        super()._settle(batch, reason)
        for span in batch.spans:
            if reason is None and self._log is None and isinstance(span.next, int):
                log(self._settings.name).advance(self._consumer, span.lane, span.next)


class LateAckRaises(MemorySource):
    def _settle(self, batch: Batch, reason: Exception | None) -> None:
        if self._log is None:
            raise RuntimeError("closed")
        super()._settle(batch, reason)


class SplitAcksAll(MemorySource):
    def _settle(self, batch: Batch, reason: Exception | None) -> None:
        if reason is None:
            batch.counts = [span.entry.left for span in batch.spans]
        super()._settle(batch, reason)


class EpochIsNotRaised(MemorySource):
    def _assign(self, found: Log, lane: Lane) -> None:
        super()._assign(found, lane)
        self._tracker.lanes[lane.name].epoch = 1


class SecondReadingSkips(MemorySource):
    def _assign(self, found: Log, lane: Lane) -> None:
        super()._assign(found, lane)
        if self._consumer.committed:
            self._cursors[lane.name] = min(self._cursors[lane.name] + 1, lane.end)


class BoundNeverEnds(MemorySource):
    async def bound(self) -> None:
        pass


class BoundMoves(MemorySource):
    def _bound(self, lane: Lane) -> int:
        return lane.end


class BoundIsShort(MemorySource):
    async def bound(self) -> None:
        await super().bound()
        self._bounds = {lane: max(0, end - 1) for lane, end in (self._bounds or {}).items()}


class PauseDoesNothing(MemorySource):
    async def pause(self) -> None:
        pass


class ResumeDoesNothing(MemorySource):
    async def resume(self) -> None:
        pass


class PauseForgetsThePending(MemorySource):
    async def pause(self) -> None:
        await super().pause()
        for lane, cursor in self._cursors.items():
            self._tracker.assign(lane, cursor)


class SeekDoesNothing(MemorySource):
    async def seek(self, targets: Mapping[str, Target]) -> Mapping[str, Position]:
        return dict.fromkeys(targets, 0)


class SeekMissesByOne(MemorySource):
    async def seek(self, targets: Mapping[str, Target]) -> Mapping[str, Position]:
        moved = {lane: at + 1 if isinstance(at, int) else at for lane, at in targets.items()}
        return await super().seek(moved)


class LagIsNothing(MemorySource):
    async def lag(self) -> Mapping[str, int]:
        return dict.fromkeys(await super().lag(), 0)


class PositionsMissByOne(MemorySource):
    async def positions(self) -> Mapping[str, Position | None]:
        found = await super().positions()
        return {lane: at - 1 if isinstance(at, int) else at for lane, at in found.items()}


class BrowsingConsumes(MemorySource):
    async def browse(self) -> AsyncIterator[Event]:
        async for event in super().browse():
            yield event
            if self._log is not None and isinstance(event.transport.position, int):
                self._log.advance(self._consumer, event.transport.lane, event.transport.position + 1)


class CloseLeavesATask(MemorySource):
    async def connect(self) -> None:
        await super().connect()
        self._left = asyncio.create_task(asyncio.Event().wait())


class CloseTwiceFails(MemorySource):
    async def close(self) -> None:
        if self._log is None:
            raise RuntimeError("not open")
        await super().close()


class ReconnectGoesOnWhereItRead(MemorySource):
    def _assign(self, found: Log, lane: Lane) -> None:
        read = self._cursors.get(lane.name, 0)
        super()._assign(found, lane)
        self._cursors[lane.name] = max(read, self._cursors[lane.name])


class SpansOverlap(MemorySource):
    def _take(self, found: Log) -> Batch | None:
        batch = super()._take(found)
        if batch is not None and len(batch.events) > 1:
            batch.spans[0].stop -= 1
        return batch


class SinkPrepends(MemorySink):
    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        await super().write(events[::-1], spans)


class SinkLosesTheLast(MemorySink):
    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        await super().write(events[:-1] if len(events) > 1 else events, spans)


class SinkWritesTwice(MemorySink):
    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        await super().write(events, spans)
        await super().write(events, spans)


class SinkSaysDurableTooEarly(MemorySink):
    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        kept = log(self._settings.name)
        if len(events) == 3:
            asyncio.get_running_loop().call_later(3600, kept.append, events)
        else:
            kept.append(events)


class SinkDropsTheRefused(MemorySink):
    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        refused = self._refused(events)
        await super().write([event for n, event in enumerate(events) if n not in refused], spans)


class SinkRefusesTheNeighbours(MemorySink):
    def _refused(self, events: Sequence[Event]) -> Mapping[int, Exception]:
        refused = super()._refused(events)
        return dict.fromkeys(range(len(events)), Rejected("one of them")) if refused else {}


class LimitMissesByOne(MemorySink):
    def _refused(self, events: Sequence[Event]) -> Mapping[int, Exception]:
        large = [n for n, event in enumerate(events) if len(event.data or b"") >= 2**20]
        return {n: Rejected("too large") for n in large}


class EmptyBecomesAbsent(MemorySink):
    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        await super().write([event.replace(data=event.data or None) for event in events], spans)


class AttributesBecomeText(MemorySink):
    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        as_text = [{name: str(value) for name, value in event.attributes.items()} for event in events]
        changed = [event.replace(text) for event, text in zip(events, as_text, strict=True)]
        await super().write(changed, spans)


class KeysAreLost(MemorySink):
    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        await super().write([Event.new(event.attributes, event.data) for event in events], spans)


class DeliveredIsStuck(MemorySink):
    async def delivered(self, lane: str) -> Position | None:
        return None


class HalfAProtocol(MemorySource):
    @property
    def seek(self) -> None:  # type: ignore[override] # the fault under test
        raise AttributeError("seek")


SOURCES = [fault for fault in MemorySource.__subclasses__() if fault.__module__ == __name__]
SINKS = [fault for fault in MemorySink.__subclasses__() if fault.__module__ == __name__]


def test_the_connector_itself_passes() -> None:
    assert not failures(MemorySource, MemorySink)


@pytest.mark.parametrize("fault", SOURCES)
def test_a_faulty_source_fails(fault: type[MemorySource]) -> None:
    assert failures(fault, MemorySink)


@pytest.mark.parametrize("fault", SINKS)
def test_a_faulty_sink_fails(fault: type[MemorySink]) -> None:
    assert failures(MemorySource, fault)

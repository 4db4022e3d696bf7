"""The place a connector is tested on: what its tests supply, and what the kit does with it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple, TypeVar

from eventspan.batch import Batch, Span
from eventspan.connector import SinkTraits, SourceTraits
from eventspan.endpoint import Endpoint, Sink, Source
from eventspan.errors import NotConnected, PartialWrite, Rejected
from eventspan.event import Event
from eventspan.testing.events import spans_of

E = TypeVar("E", bound=Endpoint)


class Got(NamedTuple):
    """One event that was read, and the batch that settles it alone."""

    event: Event
    span: Span
    part: Batch

    @property
    def id(self) -> str:
        return self.event.id


class Place:
    """One place under test. Each test has an instance, and a fresh and empty place, of its own."""

    patience: float = 10.0
    """Seconds after which something that should happen is taken to have failed."""

    def deadline(self) -> asyncio.Timeout:
        return asyncio.timeout(self.patience)

    async def connect(self, endpoint: Endpoint) -> None:
        """Connect as the runtime does: again after ``NotConnected``."""
        async with self.deadline():
            while True:
                try:
                    return await endpoint.connect()
                except NotConnected:
                    await asyncio.sleep(0.05)

    @asynccontextmanager
    async def open(self, endpoint: E) -> AsyncGenerator[E]:
        """Have an endpoint connected for the length of a block."""
        try:
            await self.connect(endpoint)
            yield endpoint
        finally:
            async with self.deadline():
                await endpoint.close()

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait for something that is allowed to take a moment; fail after ``patience``."""
        try:
            async with self.deadline():
                while not await condition():  # noqa: ASYNC110 -- the far side tells nobody
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not within {self.patience} s: {what}") from None


class Readable(Place, ABC):
    """A place with a source."""

    source_traits: SourceTraits = SourceTraits()
    """What the connector's spec declares for the source under test."""
    quiet: float = 0.3
    """Seconds without an event after which none is taken to come."""

    @abstractmethod
    def make_source(self) -> Source:
        """Build a source on the place; the second one goes on where the first was closed.

        It reads what was written before it was made.
        """

    @abstractmethod
    async def fill(self, events: Sequence[Event]) -> None:
        """Write events to the place."""

    async def abandon(self, source: Source) -> None:
        """Leave a source as a crash does: as far as the place allows, without ``close``."""
        await source.close()

    def reading(self) -> AbstractAsyncContextManager[Source]:
        """Have a source connected for the length of a block."""
        return self.open(self.make_source())

    async def next(self, source: Source) -> Batch:
        """The next batch that holds events, across reconnects."""
        try:
            async with self.deadline():
                while True:
                    batch = await self._read(source)
                    if batch is not None and batch.events:
                        return batch
                    if batch is not None:
                        batch.ack()
        except TimeoutError:
            raise AssertionError(f"no event within {self.patience} s") from None

    async def _read(self, source: Source) -> Batch | None:
        try:
            return await source.read()
        except NotConnected:
            await self.connect(source)
            return None

    async def hold(self, source: Source, count: int) -> list[Got]:
        """Read until ``count`` events have come; each can be settled on its own."""
        held: list[Got] = []
        while len(held) < count:
            held += parts(await self.next(source))
        return held

    async def take(self, source: Source, count: int) -> list[Got]:
        """Read and acknowledge until ``count`` events have come."""
        taken: list[Got] = []
        while len(taken) < count:
            batch = await self.next(source)
            taken += events_of(batch)
            batch.ack()
        return taken

    async def take_ids(self, source: Source, ids: Iterable[str]) -> list[Got]:
        """Read and acknowledge until each of these has come at least once."""
        missing, taken = set(ids), list[Got]()
        while missing:
            came = await self.take(source, 1)
            taken += came
            missing.difference_update(got.id for got in came)
        return taken

    async def nothing_comes(self, source: Source) -> bool:
        """Whether the source stays silent for ``quiet`` seconds."""
        try:
            async with asyncio.timeout(self.quiet):
                while True:
                    batch = await self._read(source)
                    if batch is not None:
                        batch.ack()
                        if batch.events:
                            return False
        except TimeoutError:
            return True


class Writable(Place, ABC):
    """A place with a sink."""

    sink_traits: SinkTraits = SinkTraits()
    """What the connector's spec declares for the sink under test."""

    @abstractmethod
    def make_sink(self) -> Sink:
        """Build a sink on the place."""

    @abstractmethod
    async def read_back(self, wanted: Collection[str]) -> list[Event]:
        """What was written and not read back before, until each of these ids has come.

        Where the place keeps an order, in that order.
        """

    def writing(self) -> AbstractAsyncContextManager[Sink]:
        """Have a sink connected for the length of a block."""
        return self.open(self.make_sink())

    async def write(self, sink: Sink, events: Sequence[Event], *, first: int = 0) -> None:
        """Write events and wait until they are durable."""
        async with self.deadline():
            durable = await sink.write(events, spans_of(events, first=first))
            if durable is not None:
                await durable

    async def deliver(self, sink: Sink, events: Sequence[Event]) -> list[Event]:
        """Write as the runtime does, again and in halves where it has to; returns what was refused."""
        try:
            await self.write(sink, events)
        except NotConnected:
            await self.connect(sink)
            return await self.deliver(sink, events)
        except PartialWrite as partial:
            again = [events[n] for n, error in partial.failures.items() if not isinstance(error, Rejected)]
            refused = [events[n] for n, error in partial.failures.items() if isinstance(error, Rejected)]
            assert refused or len(again) < len(events), "a write made no progress"
            return refused + (await self.deliver(sink, again) if again else [])
        except Rejected:
            if len(events) == 1:
                return list(events)
            half = len(events) // 2
            return await self.deliver(sink, events[:half]) + await self.deliver(sink, events[half:])
        return []


def events_of(batch: Batch) -> list[Got]:
    """The events of a batch, each with its span and the whole batch."""
    return [Got(batch.events[n], span, batch) for span in batch.spans for n in range(span.start, span.stop)]


def parts(batch: Batch) -> list[Got]:
    """Divide a batch into its events."""
    whole = events_of(batch)
    if len(whole) < 2:
        return whole
    divided = [Got(got.event, got.span, batch.split([n])) for n, got in enumerate(whole)]
    batch.ack()
    return divided


def ids(taken: Iterable[Got]) -> list[str]:
    """Ids in the order they came."""
    return [got.id for got in taken]


def in_order(taken: Iterable[Got]) -> bool:
    """Whether the numbered events of every lane came in the order of their numbers."""
    newest: dict[str, int] = {}
    for got in taken:
        if newest.get(got.span.lane, -1) >= int(got.id):
            return False
        newest[got.span.lane] = int(got.id)
    return True


def for_good(held: Iterable[Got], acked: Collection[str]) -> set[str]:
    """Events that must not come again: nothing in their span or before it is unsettled."""
    spans: dict[str, dict[int, set[str]]] = {}
    for got in held:
        spans.setdefault(got.span.lane, {}).setdefault(id(got.span), set()).add(got.id)
    settled: set[str] = set()
    for lane in spans.values():
        for names in lane.values():
            if not names <= set(acked):
                break
            settled |= names
    return settled


class _Interrupted:
    """Drives a coroutine, and cancels its task where it waits for the ``at``-th time."""

    def __init__(self, work: Coroutine[Any, Any, Any], at: int) -> None:
        self._work = work
        self._at = at

    def __await__(self) -> Any:
        waits = 0
        error: BaseException | None = None
        while True:
            try:
                pending = self._work.send(None) if error is None else self._work.throw(error)
            except StopIteration as stop:
                return stop.value
            if waits == self._at:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            waits, error = waits + 1, None
            try:
                yield pending
            except BaseException as raised:  # noqa: BLE001 -- handed to the work, as a task would
                error = raised


async def interrupt(work: Coroutine[Any, Any, Any], at: int) -> tuple[bool, Any]:
    """Cancel work where it waits for the ``at``-th time.

    Returns whether it ended in spite of that, or before, and its result.
    """

    async def run() -> Any:
        return await _Interrupted(work, at)

    task = asyncio.create_task(run())
    try:
        return True, await task
    except asyncio.CancelledError:
        return False, None


def offers(endpoint: Endpoint, protocol: type[Any]) -> bool:
    """Whether an endpoint has an optional protocol; having half of one is a fault."""
    names = protocol.__protocol_attrs__ if hasattr(protocol, "__protocol_attrs__") else _verbs(protocol)
    have = [name for name in names if hasattr(endpoint, name)]
    assert not have or isinstance(endpoint, protocol), f"only {have} of {protocol.__name__}"
    return bool(have)


def _verbs(protocol: type[Any]) -> list[str]:
    return [name for name, value in vars(protocol).items() if callable(value) and name[0] != "_"]

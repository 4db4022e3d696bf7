"""What a sink does with what it is given."""

from collections.abc import Awaitable

import pytest

from eventspan.endpoint import Buffering, Delivered
from eventspan.errors import PartialWrite, Rejected
from eventspan.event import Event
from eventspan.testing.events import content, matrix, numbered, spans_of
from eventspan.testing.place import Writable, offers

FINAL = "999999"
"""Id of the event that says nothing more will come."""


class Writing(Writable):
    """Durable when it says so, complete, in order, and nothing twice where it promises that."""

    async def test_write_is_durable_when_it_says_so(self) -> None:
        async with self.writing() as sink:
            await self.write(sink, numbered(3, keys=1))
            assert [event.id for event in await self.read_back({"0", "1", "2"})] == ["0", "1", "2"]

    async def test_writes_one_after_the_other(self) -> None:
        """Writes go on while earlier ones are outstanding, and keep the order of the calls."""
        async with self.writing() as sink:
            outstanding: list[Awaitable[None]] = []
            async with self.deadline():
                for n in range(0, 40, 8):
                    events = numbered(8, n, keys=1)
                    durable = await sink.write(events, spans_of(events, first=n))
                    outstanding += [durable] if durable is not None else []
                for durable in outstanding:
                    await durable
        came = await self._all()
        assert sorted(map(int, came)) == list(range(40))
        assert came == sorted(came, key=int) or not self.sink_traits.keeps_order

    async def test_takes_a_full_write(self) -> None:
        """As many events as it declares, or as many as a batch usually has."""
        count = min(500, self.sink_traits.max_events or 500)
        async with self.writing() as sink:
            await self.write(sink, numbered(count, keys=1))
        assert sorted(map(int, await self._all())) == list(range(count))

    async def test_nothing_written_twice_where_idempotent(self) -> None:
        """After an ambiguous failure the runtime writes the same events again."""
        if not self.sink_traits.idempotent:
            return
        for _ in range(2):
            async with self.writing() as sink:
                await self.write(sink, numbered(5, keys=1))
                await self.write(sink, numbered(5, keys=1))
        assert sorted(map(int, await self._all())) == list(range(5))

    async def _all(self) -> list[str]:
        """Ids of everything written so far."""
        async with self.writing() as sink:
            await self.write(sink, numbered(1, int(FINAL), keys=1))
        return [event.id for event in await self.read_back({FINAL})][:-1]

    async def test_delivered_is_where_the_last_write_ended(self) -> None:
        async with self.writing() as sink:
            if not offers(sink, Delivered):
                return
            assert isinstance(sink, Delivered)
            assert await sink.delivered("test") is None
            await self.write(sink, numbered(3))
            assert await sink.delivered("test") == 3
            await self.write(sink, numbered(4, 3), first=3)
            assert await sink.delivered("test") == 7
            assert await sink.delivered("another") is None

    async def test_flush_makes_durable(self) -> None:
        """After ``flush`` no write is outstanding; of a discarded lane nothing need come."""
        async with self.writing() as sink:
            if not offers(sink, Buffering):
                return
            assert isinstance(sink, Buffering)
            async with self.deadline():
                kept = await sink.write(numbered(3), spans_of(numbered(3), "kept"))
                await sink.write(numbered(3, 3), spans_of(numbered(3, 3), "lost"))
                await sink.discard(["lost"])
                await sink.flush(["kept"])
                await sink.flush()
                if kept is not None:
                    await kept
            assert {"0", "1", "2"} <= {event.id for event in await self.read_back({"0", "1", "2"})}


class Refusal(Writable):
    """Events that will never be accepted are named, and cost the others nothing."""

    def measure(self, event: Event) -> int:
        """The size of an event that ``max_event_bytes`` limits."""
        return len(event.data or b"")

    def poison(self) -> Event | None:
        """An event with the id ``poison`` that the sink refuses; None if it takes any."""
        limit = self.sink_traits.max_event_bytes
        return None if limit is None else self.sized("poison", limit + 1)

    def sized(self, name: str, size: int) -> Event:
        """An event of a size, as ``measure`` has it."""
        empty = Event.new({"id": name, "source": "/test", "type": "test.sized"}, b"")
        return empty.replace(data=b"x" * (size - self.measure(empty)))

    async def test_size_limit_is_exact(self) -> None:
        """One byte less and the limit itself are taken; one more is refused, alone and for good."""
        limit = self.sink_traits.max_event_bytes
        if limit is None:
            return
        async with self.writing() as sink:
            assert not await self.deliver(sink, [self.sized("1", limit - 1)])
            refused = await self.deliver(sink, [self.sized("2", limit + 1)])
            assert [event.id for event in refused] == ["2"]
            assert not await self.deliver(sink, [self.sized("3", limit)])
        came = {event.id: self.measure(event) for event in await self.read_back({"1", "3"})}
        assert came == {"1": limit - 1, "3": limit}

    async def test_poison_costs_the_others_nothing(self) -> None:
        """First, in the middle, last: it alone is refused, the others arrive once each."""
        poison = self.poison()
        if poison is None:
            return
        async with self.writing() as sink:
            for turn, at in enumerate((0, 2, 5)):
                good = numbered(5, turn * 5)
                refused = await self.deliver(sink, [*good[:at], poison, *good[at:]])
                assert [event.id for event in refused] == ["poison"]
        wanted = {str(n) for n in range(15)}
        came = [event.id for event in await self.read_back(wanted)]
        assert sorted(came) == sorted(wanted)

    async def test_one_refused_event_is_rejected(self) -> None:
        """Written alone, the error is ``Rejected`` or names the one event."""
        poison = self.poison()
        if poison is None:
            return
        async with self.writing() as sink:
            with pytest.raises((Rejected, PartialWrite)) as raised:
                await self.write(sink, [poison])
        error = raised.value
        if isinstance(error, PartialWrite):
            assert list(error.failures) == [0]
            assert isinstance(error.failures[0], Rejected)


class Content(Writable):
    """Nothing is changed on the way."""

    carries: frozenset[str] = frozenset({"key", "timestamp"})
    """What of a native record the place brings back beside the event."""
    headers: tuple[tuple[str, object], ...] = ()
    """Native headers the place must bring back: duplicates, binary, empty, whatever it has."""

    async def test_content_comes_through(self) -> None:
        """Every kind of data, attribute and extension."""
        sent = matrix(self.headers)
        async with self.writing() as sink:
            for event in sent:
                await self.write(sink, [event])
        came = {event.id: event for event in await self.read_back({event.id for event in sent})}
        for event in sent:
            assert content(came[event.id]) == content(event), event.id
            self._expect_carried(event, came[event.id])

    def _expect_carried(self, sent: Event, came: Event) -> None:
        for name in self.carries:
            wanted = getattr(sent.transport, name)
            if wanted is not None:
                assert getattr(came.transport, name) == wanted, f"{sent.id}: {name}"
        names = {name for name, _ in sent.transport.headers}
        kept = [(name, value) for name, value in came.transport.headers if name in names]
        assert kept == list(sent.transport.headers), sent.id

    async def test_large_data_comes_through(self) -> None:
        """A mebibyte, or as much as is allowed."""
        size = min(2**20, (self.sink_traits.max_event_bytes or 2**21) // 2)
        block = bytes(range(256)) * (size // 256 + 1)
        event = numbered(1, data=block[:size])[0]
        async with self.writing() as sink:
            await self.write(sink, [event])
        assert (await self.read_back({"0"}))[0].data == event.data

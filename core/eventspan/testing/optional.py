"""The optional protocols of a source, each tested where it is found."""

from collections.abc import Sequence
from typing import cast

import pytest

from eventspan.endpoint import Bounded, Browsable, Pausable, Positioned, Source, Target
from eventspan.errors import EndOfStream
from eventspan.testing.events import numbered
from eventspan.testing.place import Got, Readable, ids, offers


class OptionalReading(Readable):
    """Positions, bounds, pausing and browsing."""

    async def test_positions_and_lag_follow_the_acknowledged(self) -> None:
        await self.fill(numbered(6))
        async with self.reading() as source:
            if not offers(source, Positioned):
                return
            shown = cast(Positioned, source)
            assert sum((await shown.lag()).values()) == 6
            before = dict(await shown.positions())
            assert before.keys() == (await shown.lag()).keys()
            await self.take(source, 6)

            async def caught_up() -> bool:
                return sum((await shown.lag()).values()) == 0

            await self.until(caught_up, "no lag once everything is acknowledged")
            assert await shown.positions() != before

    async def test_position_is_where_its_span_says(self) -> None:
        """What is committed is the ``next`` of the last span that is settled."""
        await self.fill(numbered(6))
        async with self.reading() as source:
            if not offers(source, Positioned):
                return
            taken = await self.take(source, 6)
            shown, ends = cast(Positioned, source), {got.span.lane: got.span.next for got in taken}

            async def committed() -> bool:
                positions = await shown.positions()
                return all(positions[lane] == end for lane, end in ends.items())

            await self.until(committed, f"positions are {ends}")

    async def test_seeks_the_earliest(self) -> None:
        """Everything the place still has comes again."""
        await self.fill(numbered(4))
        if await self._seek_all("earliest", taken=2):
            await self.fill(numbered(1, 4))
            await self._expect_exactly({"0", "1", "2", "3", "4"})

    async def test_seeks_the_latest(self) -> None:
        """Only what comes afterwards is read."""
        await self.fill(numbered(4))
        if await self._seek_all("latest", taken=2):
            await self.fill(numbered(1, 4))
            await self._expect_exactly({"4"})

    async def _expect_exactly(self, wanted: set[str]) -> None:
        async with self.reading() as source:
            assert set(ids(await self.take_ids(source, wanted))) == wanted

    async def _seek_all(self, target: Target, taken: int) -> bool:
        async with self.reading() as source:
            if not offers(source, Positioned):
                return False
            await self.take(source, taken)
        async with self.reading() as source:
            shown = cast(Positioned, source)
            lanes = await shown.positions()
            became = await shown.seek(dict.fromkeys(lanes, target))
            assert became.keys() == lanes.keys()
        return True

    async def test_seeks_a_position(self) -> None:
        """The position of a record makes it the next to be read, after a restart too."""
        await self.fill(numbered(5))
        async with self.reading() as source:
            if not offers(source, Positioned):
                return
            taken = await self.take(source, 5)
        wanted = _one_lane(taken)[-2:]
        position = wanted[0].event.transport.position
        assert position is not None
        async with self.reading() as source:
            await cast(Positioned, source).seek({wanted[0].span.lane: position})
        async with self.reading() as source:
            assert ids(await self.take(source, len(wanted))) == ids(wanted)

    async def test_ends_at_its_bound(self) -> None:
        """What was there when it was bounded, and nothing later where positions tell."""
        await self.fill(numbered(7))
        async with self.reading() as source:
            if not offers(source, Bounded):
                return
            async with self.deadline():
                await cast(Bounded, source).bound()
            if offers(source, Positioned):
                await self.fill(numbered(3, 7))
            held = await self._to_the_end(source)
            for got in held:
                got.part.ack()
        assert sorted(map(int, ids(held))) == list(range(7))
        if isinstance(source, Positioned):
            async with self.reading() as source:
                assert set(ids(await self.take(source, 3))) == {"7", "8", "9"}

    async def test_bound_of_nothing_ends_at_once(self) -> None:
        async with self.reading() as source:
            if not offers(source, Bounded):
                return
            async with self.deadline():
                await cast(Bounded, source).bound()
            assert await self._to_the_end(source) == []

    async def _to_the_end(self, source: Source) -> list[Got]:
        held: list[Got] = []
        while len(held) < 1000:
            try:
                held += await self.hold(source, 1)
            except EndOfStream:
                break
        with pytest.raises(EndOfStream):
            await self.next(source)
        return held

    async def test_pauses(self) -> None:
        """Nothing new comes meanwhile; what was read can be settled and is not forgotten; then it goes on."""
        await self.fill(numbered(3))
        async with self.reading() as source:
            if not offers(source, Pausable):
                return
            held = await self.hold(source, 3)
            await cast(Pausable, source).pause()
            await self.fill(numbered(3, 3))
            assert await self.nothing_comes(source)
            for got in held[1:]:
                got.part.ack()
            await cast(Pausable, source).resume()
            assert set(ids(await self.take_ids(source, {"3", "4", "5"}))) == {"3", "4", "5"}
        if self.source_traits.redelivers:
            async with self.reading() as source:
                await self.take_ids(source, {held[0].id})

    async def test_browsing_moves_nothing(self) -> None:
        await self.fill(numbered(5))
        async with self.reading() as source:
            if not offers(source, Browsable):
                return
            for _ in range(2):
                async with self.deadline():
                    seen = [event.id async for event in cast(Browsable, source).browse()]
                assert sorted(map(int, seen)) == list(range(5))
        async with self.reading() as source:
            assert sorted(map(int, ids(await self.take(source, 5)))) == list(range(5))


def _one_lane(taken: Sequence[Got]) -> list[Got]:
    """The events of the lane that has most."""
    lanes: dict[str, list[Got]] = {}
    for got in taken:
        lanes.setdefault(got.span.lane, []).append(got)
    return max(lanes.values(), key=len)

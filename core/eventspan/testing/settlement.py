"""What becomes of events that are settled, given back, or never settled."""

import pytest

from eventspan.endpoint import Positioned
from eventspan.testing.events import numbered
from eventspan.testing.place import Got, Readable, events_of, for_good, ids, in_order


def first_of(held: list[Got]) -> dict[str, Got]:
    """Events by id, as they came first."""
    found: dict[str, Got] = {}
    for got in held:
        found.setdefault(got.id, got)
    return found


class Settlement(Readable):
    """Nothing is lost, whatever is settled in whatever order; nothing acknowledged comes again."""

    async def test_delivers_everything_once_in_order(self) -> None:
        await self.fill(numbered(25))
        async with self.reading() as source:
            taken = await self.take(source, 25)
        assert sorted(map(int, ids(taken))) == list(range(25))
        assert in_order(taken) or not self.source_traits.ordered

    async def test_spans_cover_their_batch(self) -> None:
        """Spans follow one another, leave nothing out, and say where their events came from."""
        await self.fill(numbered(10))
        async with self.reading() as source:
            seen = 0
            while seen < 10:
                batch = await self.next(source)
                stops = [span.stop for span in batch.spans]
                assert [span.start for span in batch.spans] == [0, *stops][: len(stops)]
                assert stops[-1] == len(batch.events)
                assert batch.indexes() == list(range(len(batch.events)))
                assert all(got.event.transport.lane == got.span.lane for got in events_of(batch))
                seen += len(batch.events)
                batch.ack()

    async def test_settles_once(self) -> None:
        await self.fill(numbered(1))
        async with self.reading() as source:
            batch = await self.next(source)
            batch.ack()
            with pytest.raises(RuntimeError):
                batch.ack()
            with pytest.raises(RuntimeError):
                batch.nack(RuntimeError("too late"))

    async def test_acknowledged_does_not_come_again(self) -> None:
        """Closing makes recorded acknowledgements durable."""
        await self.fill(numbered(5))
        async with self.reading() as source:
            await self.take(source, 5)
        await self.fill(numbered(3, 5))
        async with self.reading() as source:
            assert set(ids(await self.take_ids(source, {"5", "6", "7"}))) == {"5", "6", "7"}

    async def test_reading_commits_nothing(self) -> None:
        """Neither reading nor closing is an acknowledgement."""
        await self.fill(numbered(5))
        async with self.reading() as source:
            before = await source.positions() if isinstance(source, Positioned) else None
            await self.hold(source, 5)
            if isinstance(source, Positioned):
                assert await source.positions() == before
        await self._expect_again({"0", "1", "2", "3", "4"})

    async def test_never_skips_past_the_unsettled(self) -> None:
        """Acknowledging what came later does not lose what came earlier, even in a crash."""
        await self.fill(numbered(6))
        source = self.make_source()
        await self.connect(source)
        held = await self.hold(source, 6)
        for got in reversed(held[1:]):
            got.part.ack()
        await self.abandon(source)
        await self._expect_again({held[0].id})

    async def test_captures_a_checkpoint(self) -> None:
        """A, B and D are acknowledged; C and E come again, what was settled before them does not."""
        await self.fill(numbered(5))
        async with self.reading() as source:
            came = await self.hold(source, 5)
            held = first_of(came)
            for name in ("0", "1", "3"):
                held[name].part.ack()
        again = await self._expect_again({"2", "4"})
        assert not again & for_good(came, {"0", "1", "3"})

    async def test_given_back_comes_again(self) -> None:
        """Events given back one by one are offered again, at the latest after a restart."""
        await self.fill(numbered(5))
        async with self.reading() as source:
            came = await self.hold(source, 5)
            for name, got in first_of(came).items():
                if name in ("2", "4"):
                    got.part.nack(RuntimeError("given back"))
                else:
                    got.part.ack()
        again = await self._expect_again({"2", "4"})
        assert not again & for_good(came, {"0", "1", "3"})

    async def test_half_a_batch_is_settled(self) -> None:
        """Of a batch that was split only the part that was not acknowledged comes again."""
        await self.fill(numbered(8))
        async with self.reading() as source:
            came: list[Got] = []
            while len(came) < 8:
                batch = await self.next(source)
                came += events_of(batch)
                batch.split(n for n, event in enumerate(batch.events) if int(event.id) >= 4)
                batch.ack()
        again = await self._expect_again({"4", "5", "6", "7"})
        assert not again & for_good(came, {"0", "1", "2", "3"})

    async def test_every_tenth_is_given_back(self) -> None:
        """Losing every tenth on the way loses none in the end."""
        await self.fill(numbered(50))
        seen: set[str] = set()
        acked: set[str] = set()
        async with self.reading() as source:
            while len(seen) < 50:
                for got in await self.hold(source, 1):
                    if int(got.id) % 10 == 9 and got.id not in seen:
                        got.part.nack(RuntimeError("lost"))
                    else:
                        got.part.ack()
                        acked.add(got.id)
                    seen.add(got.id)
        await self._expect_again({str(n) for n in range(50)} - acked)

    async def test_resumes_after_saturation(self) -> None:
        """As many as may be pending are held unsettled; once they are settled the rest comes."""
        window = min(30, self.source_traits.max_pending or 30)
        await self.fill(numbered(2 * window))
        async with self.reading() as source:
            held = await self.hold(source, window)
            for got in held:
                got.part.ack()
            rest = {str(n) for n in range(2 * window)} - set(ids(held))
            assert set(ids(await self.take_ids(source, rest))) == rest

    async def test_late_settlement_changes_nothing(self) -> None:
        """After closing an acknowledgement is too late, and no error."""
        await self.fill(numbered(4))
        async with self.reading() as source:
            held = await self.hold(source, 4)
        held[0].part.ack()
        held[1].part.nack(RuntimeError("late"))
        async with self.reading() as source:
            for got in held[2:]:
                got.part.ack()
            if self.source_traits.redelivers:
                await self.take_ids(source, {"0", "1", "2", "3"})

    async def test_positions_are_as_declared(self) -> None:
        """Stable ones are the same at the next reading, sortable ones rise."""
        await self.fill(numbered(6))
        seen: list[dict[str, tuple[str, object]]] = []
        for _ in range(2 if self.source_traits.redelivers else 1):
            async with self.reading() as source:
                held = await self.hold(source, 6)
            seen.append({got.id: (got.span.lane, got.event.transport.position) for got in held})
            if self.source_traits.sortable:
                self._expect_rising(held)
        if self.source_traits.stable:
            assert all(position is not None for _, position in seen[0].values())
            assert seen[0] == seen[-1]

    def _expect_rising(self, held: list[Got]) -> None:
        newest: dict[str, object] = {}
        for got in held:
            at, before = got.event.transport.position, newest.get(got.span.lane)
            assert isinstance(at, int | str), "a sortable position is missing"
            assert before is None or before < at  # type: ignore[operator] # one type per lane
            newest[got.span.lane] = at

    async def test_deliveries_are_counted_as_declared(self) -> None:
        await self.fill(numbered(1))
        async with self.reading() as source:
            (first,) = await self.hold(source, 1)
            first.part.nack(RuntimeError("again"))
        assert (first.event.transport.deliveries is not None) == self.source_traits.counts_deliveries
        if self.source_traits.counts_deliveries and self.source_traits.redelivers:
            async with self.reading() as source:
                (second,) = await self.take(source, 1)
            assert (second.event.transport.deliveries or 0) > (first.event.transport.deliveries or 0)

    async def _expect_again(self, wanted: set[str]) -> set[str]:
        """Restart, and see these again where the broker can; returns everything that came."""
        async with self.reading() as source:
            if not self.source_traits.redelivers:
                return set()
            return set(ids(await self.take_ids(source, wanted)))

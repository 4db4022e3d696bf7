"""Opening, closing and cancelling: at any moment, and without leaving anything behind."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from eventspan.endpoint import Checkable, Endpoint
from eventspan.errors import EndOfStream, EventspanError
from eventspan.testing.events import numbered, spans_of
from eventspan.testing.place import (
    Got,
    Place,
    Readable,
    Writable,
    events_of,
    ids,
    in_order,
    interrupt,
    offers,
)

WAITS = 40
"""How many awaits deep a verb is cancelled at most."""


class Lifecycle(Place):
    """For every endpoint of the place."""

    cycles: int = 10
    """How often it is opened and closed to see whether anything is left behind."""

    def makers(self) -> Iterator[Callable[[], Endpoint]]:
        """Build each kind of endpoint the place has."""
        if isinstance(self, Readable):
            yield self.make_source
        if isinstance(self, Writable):
            yield self.make_sink

    async def test_closes_at_any_time(self) -> None:
        """Before connecting, and twice."""
        for make in self.makers():
            async with self.deadline():
                await make().close()
                endpoint = make()
                await self.connect(endpoint)
                await endpoint.connect()
                await endpoint.close()
                await endpoint.close()

    async def test_closes_while_connecting(self) -> None:
        for make in self.makers():
            for steps in range(6):
                endpoint = make()
                opening = asyncio.create_task(endpoint.connect())
                for _ in range(steps):
                    await asyncio.sleep(0)
                async with self.deadline():
                    await endpoint.close()
                    outcome = (await asyncio.gather(opening, return_exceptions=True))[0]
                    await endpoint.close()
                assert outcome is None or isinstance(outcome, EventspanError), repr(outcome)

    async def test_connect_is_cancelled_anywhere(self) -> None:
        """Whatever a cancelled connect has left open, ``close`` releases."""
        for make in self.makers():
            before = await self._at_rest(make)
            for at in range(WAITS):
                endpoint = make()
                async with self.deadline():
                    ended, _ = await interrupt(endpoint.connect(), at)
                    await endpoint.close()
                if ended:
                    break
            await self._returns_to(before)

    async def test_close_is_cancelled_anywhere(self) -> None:
        """A second ``close`` finishes what a cancelled one began."""
        for make in self.makers():
            before = await self._at_rest(make)
            for at in range(WAITS):
                endpoint = make()
                await self.connect(endpoint)
                async with self.deadline():
                    ended, _ = await interrupt(endpoint.close(), at)
                    await endpoint.close()
                if ended:
                    break
            await self._returns_to(before)

    async def test_leaves_nothing_behind(self) -> None:
        """Files, threads and tasks are what they were, however often it is opened."""
        for make in self.makers():
            before = await self._at_rest(make)
            for _ in range(self.cycles):
                async with self.open(make()):
                    pass
            await self._returns_to(before)

    async def test_checks_without_connecting(self) -> None:
        """A check says something, and an endpoint can be checked before it is used."""
        for make in self.makers():
            endpoint = make()
            if offers(endpoint, Checkable):
                assert isinstance(endpoint, Checkable)
                async with self.deadline():
                    findings = await endpoint.check()
                assert findings
                assert all(finding.subject and finding.message for finding in findings)
            await endpoint.close()

    async def _at_rest(self, make: Callable[[], Endpoint]) -> dict[str, int]:
        """What is held after a first use, which may load libraries and start pools."""
        for _ in range(2):
            async with self.open(make()):
                pass
        return resources()

    async def _returns_to(self, before: dict[str, int]) -> None:
        async def at_rest() -> bool:
            return all(now <= before[kind] for kind, now in resources().items())

        await self.until(at_rest, f"back to {before}")


def resources() -> dict[str, int]:
    """How many files, threads and tasks there are now."""
    threads = Path("/proc/self/task")
    native = len(os.listdir(threads)) if threads.is_dir() else threading.active_count()
    return {"files": len(os.listdir("/dev/fd")), "threads": native, "tasks": len(asyncio.all_tasks())}


class Cancellation(Readable):
    """A cancelled read has taken no event."""

    async def test_read_is_cancelled_anywhere(self) -> None:
        """Wherever a read is cancelled, its events are there for the next one."""
        await self.fill(numbered(30))
        taken: list[Got] = []
        async with self.reading() as source:
            for at in range(WAITS):
                ended, batch = await interrupt(source.read(), at)
                if ended:
                    taken += events_of(batch)
                    batch.ack()
                    break
            await self._expect_rest(source, taken, 30)

    async def test_idle_read_is_cancelled(self) -> None:
        """Also where nothing has come yet, and at whatever moment something does."""
        taken: list[Got] = []
        if self.source_traits.finite:
            return
        async with self.reading() as source:
            for steps in range(15):
                read = asyncio.create_task(source.read())
                await asyncio.sleep(0)
                await self.fill(numbered(1, steps))
                for _ in range(steps):
                    await asyncio.sleep(0)
                read.cancel()
                (batch,) = await asyncio.gather(read, return_exceptions=True)
                if not isinstance(batch, BaseException):
                    taken += events_of(batch)
                    batch.ack()
            await self._expect_rest(source, taken, 15)

    async def _expect_rest(self, source: object, taken: list[Got], count: int) -> None:
        missing = {str(n) for n in range(count)} - set(ids(taken))
        taken += await self.take_ids(source, missing)  # type: ignore[arg-type] # of make_source
        assert sorted(map(int, ids(taken))) == list(range(count))
        assert in_order(taken) or not self.source_traits.ordered

    async def test_finite_source_ends(self) -> None:
        """A source that ends by itself does so after its last event; what was read stays valid."""
        if not self.source_traits.finite:
            return
        await self.fill(numbered(3))
        async with self.reading() as source:
            held = await self.hold(source, 3)
            try:
                await self.next(source)
            except EndOfStream:
                for got in held:
                    got.part.ack()
            else:
                raise AssertionError("more came than was written")


class Interruption(Writable):
    """A cancelled write may have arrived; repeating it loses nothing."""

    async def test_write_is_cancelled_anywhere(self) -> None:
        events = numbered(5, keys=1)
        for at in range(WAITS):
            sink = self.make_sink()
            await self.connect(sink)
            async with self.deadline():
                ended, durable = await interrupt(sink.write(events, spans_of(events)), at)
                if ended and durable is not None:
                    await durable
                await sink.close()
            if ended:
                break
        async with self.writing() as sink:
            await self.write(sink, [*events, *numbered(1, 99, keys=1)])
        wanted = {"0", "1", "2", "3", "4", "99"}
        came = [event.id for event in await self.read_back(wanted)]
        assert set(came) == wanted
        assert len(came) == 6 or not self.sink_traits.idempotent

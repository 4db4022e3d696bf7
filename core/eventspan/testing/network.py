"""What a connector does when its connection is cut, refused, or its secrets are shown."""

import asyncio
import logging
from abc import abstractmethod

from eventspan.endpoint import Endpoint
from eventspan.errors import Halted, NotConnected, PartialWrite
from eventspan.event import Event
from eventspan.testing.events import numbered
from eventspan.testing.place import Place, Readable, Writable, ids


class Networked(Readable, Writable):
    """Inherit it beside ``RoundTrip`` where connections can be cut."""

    @abstractmethod
    async def cut(self) -> None:
        """Cut every connection to the place, as a network would. New ones succeed."""

    async def test_reads_on_after_a_cut(self) -> None:
        """Also when it strikes an idle read."""
        async with self.reading() as source:
            for turn in range(3):
                await self.fill(numbered(3, turn * 3))
                await self.take_ids(source, {str(n) for n in range(turn * 3, turn * 3 + 3)})
                await self.cut()

    async def test_cut_under_an_idle_read(self) -> None:
        async with self.reading() as source:
            waiting = asyncio.create_task(self.next(source))
            await asyncio.sleep(0)
            await self.cut()
            await self.fill(numbered(1))
            batch = await waiting
            assert [event.id for event in batch.events] == ["0"]
            batch.ack()

    async def test_unsettled_survive_a_cut(self) -> None:
        """An acknowledgement that comes after the epoch has ended is void: its event comes again."""
        await self.fill(numbered(4))
        async with self.reading() as source:
            held = await self.hold(source, 4)
            await self.cut()
            raised = await self._lives(source)
            await self.fill(numbered(1, 4))
            for got in held:
                got.part.ack()
            wanted = {"0", "1", "2", "3", "4"} if raised else {"4"}
            came = await self.take_ids(source, wanted)
        if raised:
            assert min(got.span.epoch for got in came) > max(got.span.epoch for got in held)

    async def _lives(self, source: object) -> bool:
        """Reconnect if the source says so; whether it did."""
        try:
            async with asyncio.timeout(self.quiet):
                batch = await source.read()  # type: ignore[attr-defined] # of make_source
        except NotConnected:
            await self.connect(source)  # type: ignore[arg-type] # as above
            return True
        except TimeoutError:
            return False
        raise AssertionError(f"{ids(())} {len(batch.events)} event(s) came without a reconnect")

    async def test_writes_on_after_a_cut(self) -> None:
        """What a write has confirmed stays; what it has not can be written again."""
        async with self.writing() as sink:
            await self.deliver(sink, numbered(3))
            await self.cut()
            for n in range(3, 6):
                await self._insist(sink, numbered(1, n))
        wanted = {str(n) for n in range(6)}
        assert {event.id for event in await self.read_back(wanted)} == wanted

    async def _insist(self, sink: object, events: list[Event]) -> None:
        async with self.deadline():
            while True:
                try:
                    return await self.write(sink, events)  # type: ignore[arg-type] # of make_sink
                except (NotConnected, PartialWrite):
                    await self.connect(sink)  # type: ignore[arg-type] # as above


class Guarded(Place):
    """Inherit it where the place wants credentials."""

    @property
    @abstractmethod
    def secret(self) -> str:
        """The wrong password the intruder uses; it must not be seen anywhere."""

    @abstractmethod
    def make_intruder(self) -> Endpoint:
        """Build an endpoint with that password."""

    async def test_wrong_credentials_halt(self) -> None:
        """They are refused as such, and neither error, repr nor log shows them."""
        endpoint, lines = self.make_intruder(), _Lines()
        root = logging.getLogger()
        level = root.level
        root.addHandler(lines)
        root.setLevel(logging.DEBUG)
        try:
            async with self.deadline():
                try:
                    await endpoint.connect()
                except Halted as refused:
                    shown = f"{refused} {refused.help} {refused!r} {endpoint!r} {vars(endpoint)!r}"
                else:
                    raise AssertionError("it was let in")
                finally:
                    await endpoint.close()
        finally:
            root.removeHandler(lines)
            root.setLevel(level)
        assert self.secret not in shown
        assert self.secret not in "\n".join(lines.seen)


class _Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())

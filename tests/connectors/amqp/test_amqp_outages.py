"""Brokers that go away, block, refuse or change while a bridge is running."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest

from eventspan import Context, Event, Halted, NotConnected
from eventspan.testing.events import numbered, spans_of
from eventspan_connectors.amqp import connector
from harness.proxy import Fault, Proxy
from harness.rabbitmq import Management, RabbitAddress, RabbitServer

pytestmark = pytest.mark.broker("rabbitmq")
assert connector.source is not None
assert connector.sink is not None
SOURCE, SINK = connector.source, connector.sink
PATIENCE = 30.0


class Ends:
    """A source and a sink on one queue, closed when the test is over."""

    def __init__(self, url: str, queue: str, **more: Any) -> None:
        self.source: Any = SOURCE.build(SOURCE.settings(url=url, queue=queue, **more), Context())
        self.sink: Any = SINK.build(SINK.settings(url=url, routing_key=queue, **more), Context())

    async def open(self) -> None:
        await self.sink.connect()
        await self.source.connect()

    async def write(self, events: Sequence[Event]) -> "asyncio.Future[None]":
        written: asyncio.Future[None] = asyncio.ensure_future(await self.sink.write(events, spans_of(events)))
        return written

    async def insist(self, events: Sequence[Event]) -> None:
        """Write as the runtime does: again, after a reconnect."""
        while True:
            try:
                await (await self.write(events))
            except NotConnected:
                await reconnected(self.sink)
            else:
                return

    async def ids(self, count: int) -> set[str]:
        """Read and acknowledge, across reconnects, until the first ``count`` events have come."""
        seen: set[str] = set()
        wanted = {str(n) for n in range(count)}
        while not wanted <= seen:
            try:
                batch = await self.source.read()
            except NotConnected:
                await reconnected(self.source)
                continue
            seen |= {event.id for event in batch.events}
            batch.ack()
        return seen

    async def close(self) -> None:
        await self.source.close()
        await self.sink.close()


async def reconnected(end: Any) -> None:
    while True:
        try:
            await end.connect()
        except NotConnected:
            await asyncio.sleep(0.05)
        else:
            return


def api(rabbitmq: RabbitAddress) -> Management:
    if rabbitmq.management is None:
        pytest.skip("needs the management API")
    return rabbitmq.management


@pytest.fixture
def proxy(rabbitmq: RabbitAddress) -> Iterator[Proxy]:
    at = urlsplit(rabbitmq.url)
    with Proxy(at.hostname or "127.0.0.1", at.port or 5672) as found:
        yield found


def through(proxy: Proxy, rabbitmq: RabbitAddress) -> str:
    host = urlsplit(rabbitmq.url).netloc.rpartition("@")[2]
    return rabbitmq.url.replace(host, f"127.0.0.1:{proxy.port}")


@pytest.fixture
async def ends(proxy: Proxy, rabbitmq: RabbitAddress, place: str) -> AsyncIterator[Ends]:
    api(rabbitmq).call("PUT", f"queues/%2F/{place}", {"durable": True})
    found = Ends(through(proxy, rabbitmq), place, heartbeat="1s", connect_timeout="2s")
    await found.open()
    yield found
    proxy.heal()
    await found.close()


async def test_a_black_hole_is_noticed_and_survived(ends: Ends, proxy: Proxy) -> None:
    """By the heartbeats, and never as a cancellation."""
    proxy.black_hole()
    async with asyncio.timeout(PATIENCE):
        reading = asyncio.create_task(ends.source.read())
        writing = await ends.write(numbered(10))
        outcome = await asyncio.gather(reading, writing, return_exceptions=True)
        assert [type(each) for each in outcome] == [NotConnected, NotConnected]
        assert proxy.struck[Fault.BLACK_HOLE]
        proxy.heal()
        await ends.insist(numbered(10))
        assert await ends.ids(10) == {str(n) for n in range(10)}


async def test_connecting_into_a_black_hole_ends(proxy: Proxy, ends: Ends) -> None:
    proxy.reset()
    proxy.black_hole()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(NotConnected):
            await ends.source.read()
        with pytest.raises(NotConnected, match="did not answer"):
            await ends.source.connect()


async def test_a_cut_in_the_middle_of_a_message(ends: Ends, proxy: Proxy) -> None:
    events = numbered(50, data=b"x" * 5000)
    proxy.cut_after(120_000)
    async with asyncio.timeout(PATIENCE):
        writing = asyncio.create_task(ends.insist(events))
        while not proxy.struck[Fault.CUT]:  # noqa: ASYNC110 -- the proxy runs in a thread of its own
            await asyncio.sleep(0.02)
        proxy.heal()
        await writing
        assert await ends.ids(50) == {str(n) for n in range(50)}


async def test_an_exchange_that_is_deleted_halts_the_sink(rabbitmq: RabbitAddress, place: str) -> None:
    api(rabbitmq).call("PUT", f"exchanges/%2F/{place}", {"type": "fanout"})
    sink: Any = SINK.build(SINK.settings(url=rabbitmq.url, exchange=place, mandatory=False), Context())
    await sink.connect()
    try:
        await (await sink.write(numbered(1), spans_of(numbered(1))))
        api(rabbitmq).call("DELETE", f"exchanges/%2F/{place}")
        with pytest.raises(Halted, match=place) as raised:
            await (await sink.write(numbered(1), spans_of(numbered(1))))
        assert raised.value.help
    finally:
        await sink.close()


@pytest.fixture
def user(rabbitmq: RabbitAddress, place: str) -> Iterator[str]:
    api(rabbitmq).make_user(place, "word")
    api(rabbitmq).call("PUT", f"queues/%2F/{place}", {"durable": True})
    yield place
    api(rabbitmq).delete_user(place)


async def test_reading_without_permission_halts(rabbitmq: RabbitAddress, user: str) -> None:
    api(rabbitmq).permit(user, read="")
    end = SOURCE.build(SOURCE.settings(url=rabbitmq.url_of(user, "word"), queue=user), Context())
    await _refused(end, f"queue '{user}'", "ACCESS_REFUSED", user)


async def test_writing_without_permission_halts(rabbitmq: RabbitAddress, user: str) -> None:
    """The broker looks at it when something is written."""
    api(rabbitmq).permit(user, write="")
    end: Any = SINK.build(SINK.settings(url=rabbitmq.url_of(user, "word"), routing_key=user), Context())
    try:
        await end.connect()
        with pytest.raises(Halted) as raised:
            await (await end.write(numbered(1), spans_of(numbered(1))))
        _says(raised.value, f"queue '{user}'", "amq.default", user)
    finally:
        await end.close()


async def test_declaring_without_permission_halts(rabbitmq: RabbitAddress, user: str) -> None:
    api(rabbitmq).permit(user, configure="")
    settings = SINK.settings(url=rabbitmq.url_of(user, "word"), routing_key=user, declare={"type": "classic"})
    await _refused(SINK.build(settings, Context()), f"queue '{user}'", "access", user)


async def _refused(end: Any, *words: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(Halted) as raised:
                await end.connect()
    finally:
        await end.close()
    _says(raised.value, *words)


def _says(error: Halted, *words: str) -> None:
    assert all(word in str(error) for word in words), str(error)
    assert "set_permissions" in (error.help or "")
    assert "word" not in str(error).replace("password", "")


async def test_a_memory_alarm_blocks_and_nothing_fails(rabbitmq_own: RabbitServer, place: str) -> None:
    """Writes wait; what was written while it held is durable when it is over."""
    rabbitmq_own.management.call("PUT", f"queues/%2F/{place}", {"durable": True})
    ends = Ends(rabbitmq_own.url, place)
    async with asyncio.timeout(120):
        await ends.open()
        await (await ends.write(numbered(1)))
        await asyncio.to_thread(rabbitmq_own.set_memory_alarm)
        # The broker says so when the next message arrives.
        first = await ends.write(numbered(1, 1))
        while ends.sink._link.unblocked.is_set():  # noqa: ASYNC110 -- the broker decides when
            await asyncio.sleep(0.02)
        second = asyncio.create_task(ends.sink.write(numbered(1, 2), spans_of(numbered(1))))
        done, _ = await asyncio.wait((first, second), timeout=1)
        assert not done
        await asyncio.to_thread(rabbitmq_own.clear_memory_alarm)
        await first
        await (await second)
        assert await ends.ids(3) == {"0", "1", "2"}
        await ends.close()


async def test_every_connection_is_closed_under_load(rabbitmq_own: RabbitServer, place: str) -> None:
    rabbitmq_own.management.call("PUT", f"queues/%2F/{place}", {"durable": True})
    ends = Ends(rabbitmq_own.url, place)
    failures: list[NotConnected] = []

    async def write() -> None:
        at = 0
        while at < 200 or not failures:
            try:
                await (await ends.write(numbered(50, at * 50)))
                at += 1
            except NotConnected as error:
                failures.append(error)
                await reconnected(ends.sink)
        total.append(at * 50)

    total: list[int] = []
    async with asyncio.timeout(120):
        await ends.open()
        writing = asyncio.create_task(write())
        await asyncio.to_thread(rabbitmq_own.close_connections)
        await writing
        # More may have come: a write that was cut off is in doubt.
        assert len(await ends.ids(total[0])) >= total[0]
        await ends.close()
    assert any("320" in str(error) for error in failures)

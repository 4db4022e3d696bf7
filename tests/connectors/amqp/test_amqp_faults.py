"""What goes wrong with a real RabbitMQ, and what becomes of it."""

import asyncio
import random
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from eventspan import Context, EndOfStream, Event, Halted, NotConnected, PartialWrite, Rejected
from eventspan.testing.events import numbered, spans_of
from eventspan_connectors.amqp import connector
from eventspan_connectors.amqp.errors import NotConfirmed
from eventspan_connectors.amqp.source import Source
from harness.rabbitmq import Management, RabbitAddress

pytestmark = pytest.mark.broker("rabbitmq")
assert connector.source is not None
assert connector.sink is not None
SOURCE, SINK = connector.source, connector.sink


def source(url: str, queue: str, **more: Any) -> Source:
    built = SOURCE.build(SOURCE.settings(url=url, queue=queue, **more), Context())
    assert isinstance(built, Source)
    return built


def sink(url: str, **more: Any) -> Any:
    return SINK.build(SINK.settings(url=url, **more), Context())


async def written(end: Any, events: Sequence[Event]) -> None:
    async with asyncio.timeout(20):
        durable = await end.write(events, spans_of(events))
        if durable is not None:
            await durable


async def fill(
    url: str, queue: str, events: Sequence[Event], kind: str = "classic", **arguments: Any
) -> None:
    end = sink(url, routing_key=queue, declare={"type": kind, "arguments": arguments})
    await end.connect()
    await written(end, events)
    await end.close()


def management(rabbitmq: RabbitAddress) -> Management:
    if rabbitmq.management is None:
        pytest.skip("needs the management API")
    return rabbitmq.management


async def refused(end: Any, kind: type[Exception], *words: str) -> None:
    try:
        async with asyncio.timeout(8):
            with pytest.raises(kind) as raised:
                await end.connect()
    finally:
        await end.close()
    assert all(word in str(raised.value) for word in words), str(raised.value)
    assert "guess" not in str(raised.value)


async def test_wrong_password_halts(rabbitmq: RabbitAddress, place: str) -> None:
    await refused(source(rabbitmq.url_of("guest", "guess"), place), Halted, "refused user 'guest'")


async def test_unknown_vhost_halts_with_its_name(rabbitmq: RabbitAddress, place: str) -> None:
    await refused(source(rabbitmq.url_of("guest", "guest", place), place), Halted, place)


async def test_missing_queue_halts(rabbitmq: RabbitAddress, place: str) -> None:
    await refused(source(rabbitmq.url, place), Halted, place)


async def test_missing_exchange_halts(rabbitmq: RabbitAddress, place: str) -> None:
    await refused(sink(rabbitmq.url, exchange=place, routing_key="k"), Halted, place)


async def test_nobody_listening_is_named(place: str) -> None:
    await refused(source("amqp://u:guess@127.0.0.1:1/", place), NotConnected, "127.0.0.1:1")


async def test_a_server_of_another_kind_is_no_broker(place: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await refused(source(f"amqp://127.0.0.1:{port}/", place), NotConnected, "does not speak AMQP")


async def test_a_silent_server_is_given_up(place: str) -> None:
    ended = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    end = source(f"amqp://127.0.0.1:{port}/", place, connect_timeout="300ms")
    await refused(end, NotConnected, "did not answer")
    await ended.wait()
    server.close()


async def test_unroutable_is_refused_alone(rabbitmq: RabbitAddress, place: str) -> None:
    """Also where several of the refused are exactly alike."""
    await fill(rabbitmq.url, place, [])
    end = sink(rabbitmq.url, routing_key=place)
    await end.connect()
    events = numbered(9)
    lost = {2, 5, 6}
    for n in range(9):
        events[n].destination = ("", f"{place}-nowhere" if n in lost else place)
    events[6] = events[5]
    with pytest.raises(PartialWrite) as raised:
        await written(end, events)
    failures = raised.value.failures
    assert set(failures) == lost
    assert all(isinstance(error, Rejected) and "nowhere" in str(error) for error in failures.values())
    await end.close()
    assert await drained(rabbitmq.url, place) == {"0", "1", "3", "4", "7", "8"}


async def drained(url: str, queue: str) -> set[str]:
    end = source(url, queue, idle="300ms")
    await end.connect()
    await end.bound()
    seen: set[str] = set()
    while True:
        try:
            batch = await end.read()
        except EndOfStream:
            break
        seen |= {event.id for event in batch.events}
        batch.ack()
    await end.close()
    return seen


async def test_a_full_queue_is_no_refusal(rabbitmq: RabbitAddress, place: str) -> None:
    """What a queue with a limit does not take is tried again, and what follows it too."""
    limit: dict[str, Any] = {"x-max-length": 3, "x-overflow": "reject-publish"}
    await fill(rabbitmq.url, place, [], **limit)
    end = sink(rabbitmq.url, routing_key=place)
    await end.connect()
    with pytest.raises(PartialWrite) as raised:
        await written(end, numbered(10))
    assert {3, 9} <= set(raised.value.failures)
    assert all(isinstance(error, NotConfirmed) for error in raised.value.failures.values())
    await end.close()


async def test_a_deleted_queue_halts_its_reader(rabbitmq: RabbitAddress, place: str) -> None:
    await fill(rabbitmq.url, place, [])
    end = source(rabbitmq.url, place)
    await end.connect()
    other = source(rabbitmq.url, place)
    await other.connect()
    assert other._link is not None
    channel = await other._link.channel()
    await other._link.call(channel.queue_delete(place))
    async with asyncio.timeout(8):
        with pytest.raises(Halted, match=place):
            await end.read()
    await end.close()
    await other.close()


async def test_quorum_queues_count_deliveries(rabbitmq: RabbitAddress, place: str) -> None:
    await fill(rabbitmq.url, place, numbered(1), "quorum", **{"x-delivery-limit": 5})
    counts = []
    end = source(rabbitmq.url, place, delivery_limit=5)
    await end.connect()
    for _ in range(3):
        batch = await end.read()
        counts.append((batch.events[0].transport.deliveries, batch.events[0].transport.delivery_limit))
        assert not any(name.startswith("x-") for name, _ in batch.events[0].transport.headers)
        batch.nack(RuntimeError("again"))
    await end.close()
    assert counts[1:] == [(2, 5), (3, 5)]


async def test_large_bodies_are_divided(rabbitmq: RabbitAddress, place: str) -> None:
    data = random.Random(1).randbytes(5 * 2**20)
    await fill(rabbitmq.url, place, numbered(1, data=data))
    end = source(rabbitmq.url, place)
    await end.connect()
    batch = await end.read()
    assert batch.events[0].data == data
    batch.ack()
    await end.close()


async def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(
    rabbitmq: RabbitAddress, place: str
) -> None:
    await fill(rabbitmq.url, place, [])
    end = sink(rabbitmq.url, routing_key=place, max_message="1KiB")
    await end.connect()
    with pytest.raises(PartialWrite) as raised:
        await written(end, [*numbered(1), *numbered(1, 1, data=b"x" * 1025), *numbered(1, 2)])
    assert list(raised.value.failures) == [1]
    assert isinstance(raised.value.failures[1], Rejected)
    await end.close()


@pytest.mark.parametrize("seed", range(4))
async def test_settling_in_any_order_never_breaks_the_channel(
    rabbitmq: RabbitAddress, place: str, seed: int
) -> None:
    """An unknown delivery tag would close it, and bring back what was settled."""
    count, chance = 1200, random.Random(seed)
    await fill(rabbitmq.url, place, numbered(count))
    end = source(rabbitmq.url, place, batch=100)
    await end.connect()
    seen = 0
    parts = []
    while seen < count:
        batch = await end.read()
        seen += len(batch.events)
        for _ in range(chance.randrange(4)):
            left = batch.indexes()
            parts.append(batch.split(chance.sample(left, chance.randrange(len(left) + 1))))
        parts.append(batch)
        chance.shuffle(parts)
        while parts and chance.random() < 0.7:
            parts.pop().ack()
        await asyncio.sleep(chance.choice((0, 0.003, 0.06)))
    for part in parts:
        part.ack()
        if chance.random() < 0.2:
            await asyncio.sleep(0.003)
    await end.close()
    assert end.tracker.stale == 0
    assert await drained(rabbitmq.url, place) == set()


async def test_losing_every_connection_loses_nothing(rabbitmq: RabbitAddress, place: str) -> None:
    """Writes under way fail as ambiguous; repeating them delivers everything."""
    await fill(rabbitmq.url, place, [])
    end = sink(rabbitmq.url, routing_key=place)
    await end.connect()
    for start in range(0, 3000, 500):
        events = numbered(500, start)
        while True:
            try:
                durable = await end.write(events, spans_of(events))
                if start == 1000 and end._link.writer is not None:
                    end._link.writer.transport.abort()
                await durable
                break
            except NotConnected:
                start = -start
                await end.connect()
    await end.close()
    assert await drained(rabbitmq.url, place) == {str(n) for n in range(3000)}


async def test_closing_all_connections_is_survived(rabbitmq: RabbitAddress, place: str) -> None:
    await fill(rabbitmq.url, place, numbered(5))
    end = source(rabbitmq.url, place)
    await end.connect()
    held = await end.read()
    assert end._link is not None
    end._link.splitter._watcher.refused(320, "CONNECTION_FORCED - by the operator")
    with pytest.raises(NotConnected, match="320"):
        await end.read()
    held.ack()
    assert end.tracker.stale == len(held.events)
    await end.connect()
    seen: set[str] = set()
    while len(seen) < 5:
        batch = await end.read()
        seen |= {event.id for event in batch.events}
        batch.ack()
    await end.close()


async def test_a_user_without_permission_halts(rabbitmq: RabbitAddress, place: str) -> None:
    api = management(rabbitmq)
    user, word = f"u{uuid.uuid4().hex[:8]}", "guess%40é"
    await fill(rabbitmq.url, place, [])
    api.call("PUT", f"users/{user}", {"password": word, "tags": ""})
    try:
        nothing = {"configure": "^$", "write": "^$", "read": "^$"}
        await refused(source(rabbitmq.url_of(user, word), place), Halted, "'/'")
        api.call("PUT", f"permissions/%2F/{user}", nothing)
        await refused(source(rabbitmq.url_of(user, word), place), Halted, "refused")
    finally:
        api.call("DELETE", f"users/{user}")

"""Failures while running: killed brokers, lost memberships, topics that vanish."""

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from eventspan import Batch, Event, Halted, NotConnected, PositionLost, Sink, Source, Transport, Undecodable
from eventspan.context import Context
from eventspan.testing import numbered
from eventspan_connectors.kafka import stall
from eventspan_connectors.kafka.binding import KafkaBinding
from harness.kafka.ends import keyed, put, reading, take, writing
from harness.kafka.topics import make_topic

pytestmark = pytest.mark.broker("kafka")

PATIENCE_SECS = 40
QUICK = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}


async def read_on(source: Source) -> Batch:
    """The next batch, across reconnects."""
    while True:
        try:
            return await source.read()
        except NotConnected:
            await reconnect(source)


async def reconnect(end: Source | Sink) -> None:
    while True:
        with suppress(NotConnected):
            return await end.connect()
        await asyncio.sleep(0.05)


async def take_on(source: Source, count: int) -> list[Event]:
    taken: list[Event] = []
    async with asyncio.timeout(PATIENCE_SECS):
        while len(taken) < count:
            batch = await read_on(source)
            taken += batch.events
            batch.ack()
    return taken


async def send(sink: Sink, events: list[Event]) -> "asyncio.Future[None]":
    """Write, and return what says when it is durable."""
    durable = await sink.write(events, [])
    assert durable is not None
    return asyncio.ensure_future(durable)


async def settled(source: Source, lane: str) -> Any:
    """The committed position of a lane."""
    return (await source.positions())[lane]  # type: ignore[attr-defined] # a Kafka source is Positioned


def numbers(events: Collection[Event]) -> list[int]:
    return [int(event.id) for event in events]


async def test_a_broker_killed_under_writes_costs_nothing(own: Any, place: str) -> None:
    """One producer lives through it: nothing lost, nothing twice, nothing out of order."""
    topic = make_topic(own.server.bootstrap, place)
    async with writing(own.server.bootstrap, topic) as sink:
        waiting = [await send(sink, numbered(500, n * 500)) for n in range(4)]
        await waiting[0]
        own.server.kill9()
        waiting += [await send(sink, numbered(500, n * 500)) for n in range(4, 8)]
        await asyncio.to_thread(own.server.start)
        async with asyncio.timeout(PATIENCE_SECS):
            for durable in waiting:
                await durable
    async with reading(own.server.bootstrap, topic) as source:
        assert numbers(await take(source, 4000)) == list(range(4000))


async def test_a_broker_killed_under_a_reader_costs_nothing(own: Any, place: str) -> None:
    topic = make_topic(own.server.bootstrap, place)
    await put(own.server.bootstrap, topic, numbered(2000))
    async with reading(own.server.bootstrap, topic, batch=100) as source:
        taken = await take(source, 100)
        own.server.kill9()
        await asyncio.to_thread(own.server.start)
        await put(own.server.bootstrap, topic, numbered(100, 2000))
        while set(numbers(taken)) != set(range(2100)):
            taken += await take_on(source, 1)


async def test_a_sink_without_an_answer_says_so(
    own: Any, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits and gives nothing up: only the producer that sent a record knows whether it arrived."""
    monkeypatch.setattr(stall, "PATIENCE_SECS", 1.0)
    topic = make_topic(own.server.bootstrap, place)
    told: asyncio.Queue[Exception | None] = asyncio.Queue()
    async with writing(own.proxied, topic, Context(trouble=told.put_nowait)) as sink:
        await (await send(sink, numbered(1)))
        own.proxy.refuse()
        own.proxy.reset()
        durable = await send(sink, numbered(1, 1))
        async with asyncio.timeout(PATIENCE_SECS):
            reason = await told.get()
        assert own.proxied in str(reason)
        assert not durable.done()
        own.proxy.heal()
        async with asyncio.timeout(PATIENCE_SECS):
            await durable
            while reason is not None:
                reason = await told.get()
    async with reading(own.server.bootstrap, topic) as source:
        assert numbers(await take(source, 2)) == [0, 1]


@pytest.mark.parametrize("side", [reading, writing])
async def test_closes_in_time_without_a_broker(own: Any, place: str, side: Any) -> None:
    topic = make_topic(own.server.bootstrap, place)
    await put(own.server.bootstrap, topic, numbered(10))
    async with side(own.proxied, topic) as end:
        if side is reading:
            held = await end.read()
            held.ack()
            own.proxy.refuse()
            own.proxy.reset()
        else:
            own.proxy.refuse()
            own.proxy.reset()
            waiting = await send(end, numbered(10))
        begun = time.monotonic()
        await end.close()
        taken = time.monotonic() - begun
        own.proxy.heal()
        if side is writing:
            with pytest.raises(NotConnected):
                await waiting
    assert taken < 15


async def test_a_member_that_was_thrown_out_commits_nothing(own: Any, place: str) -> None:
    topic = make_topic(own.server.bootstrap, place)
    lane = f"{topic}:0"
    await put(own.server.bootstrap, topic, numbered(10))
    lost: list[str] = []
    context = Context(lost=lambda lanes: lost.extend(lanes))
    async with reading(own.proxied, topic, context, options=QUICK) as zombie:
        held = await zombie.read()
        own.proxy.black_hole()
        async with reading(own.server.bootstrap, topic, options=QUICK) as heir:
            assert numbers((await asyncio.wait_for(heir.read(), PATIENCE_SECS)).events) == list(range(10))
            own.proxy.heal()
            waiting = asyncio.create_task(read_on(zombie))
            async with asyncio.timeout(PATIENCE_SECS):
                while not lost:  # noqa: ASYNC110 -- the group tells nobody
                    await asyncio.sleep(0.02)
            held.ack()
            assert await settled(heir, lane) is None
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
    assert set(lost) == {lane}
    async with reading(own.server.bootstrap, topic) as source:
        assert await settled(source, lane) is None


async def test_a_member_whose_name_is_taken_halts(own: Any, place: str) -> None:
    topic = make_topic(own.server.bootstrap, place)
    async with reading(own.server.bootstrap, topic, instance="one", options=QUICK) as first:
        await put(own.server.bootstrap, topic, numbered(1))
        await take(first, 1)
        async with reading(own.server.bootstrap, topic, instance="one", options=QUICK) as second:
            waiting = asyncio.create_task(second.read())
            with pytest.raises(Halted, match="instance") as fenced:
                await asyncio.wait_for(first.read(), PATIENCE_SECS)
            waiting.cancel()
    assert "instance" in (fenced.value.help or "")


async def test_a_topic_made_anew_is_a_lost_position(own: Any, place: str) -> None:
    """Its records are others than those the position was about: nobody may guess where to go on."""
    topic = make_topic(own.server.bootstrap, place)
    admin = AdminClient({"bootstrap.servers": own.server.bootstrap})
    await put(own.server.bootstrap, topic, numbered(10))
    async with reading(own.server.bootstrap, topic) as source:
        await take(source, 10)
        admin.delete_topics([topic])[topic].result(10)
        make_topic(own.server.bootstrap, topic)
        await put(own.server.bootstrap, topic, numbered(3, 10))
        with pytest.raises(Halted, match=topic):
            await asyncio.wait_for(read_on(source), PATIENCE_SECS)


async def test_a_sink_goes_on_in_a_topic_made_anew(own: Any, place: str) -> None:
    topic = make_topic(own.server.bootstrap, place)
    admin = AdminClient({"bootstrap.servers": own.server.bootstrap})
    async with writing(own.server.bootstrap, topic) as sink:
        await (await send(sink, numbered(10)))
        admin.delete_topics([topic])[topic].result(10)
        make_topic(own.server.bootstrap, topic)
        async with asyncio.timeout(PATIENCE_SECS):
            while True:
                try:
                    await (await send(sink, numbered(3, 10)))
                    break
                except (NotConnected, Halted):
                    await reconnect(sink)
    async with reading(own.server.bootstrap, topic) as source:
        assert set(numbers(await take(source, 3))) == {10, 11, 12}


@pytest.mark.parametrize("side", [reading, writing])
async def test_a_wrong_advertised_address_is_named(own: Any, place: str, side: Any) -> None:
    topic = make_topic(own.server.bootstrap, place)

    async def use() -> None:
        async with asyncio.timeout(20), side(own.direct, topic) as end:
            await (end.read() if side is reading else send(end, numbered(1)))

    own.proxy.vanish()
    try:
        with pytest.raises(NotConnected, match=rf"advertises the address {own.proxied}") as wrong:
            await use()
    finally:
        own.proxy.heal()
    assert "advertised.listeners" in (wrong.value.help or "")


async def test_a_position_beyond_the_end_is_lost(own: Any, place: str) -> None:
    topic = make_topic(own.server.bootstrap, place)
    await put(own.server.bootstrap, topic, numbered(3))
    admin = AdminClient({"bootstrap.servers": own.server.bootstrap})
    beyond = ConsumerGroupTopicPartitions(f"{topic}-group", [TopicPartition(topic, 0, 100)])
    admin.alter_consumer_group_offsets([beyond])[beyond.group_id].result(10)
    async with reading(own.server.bootstrap, topic) as source:
        with pytest.raises(PositionLost, match=f"{topic}:0"):
            await asyncio.wait_for(source.read(), PATIENCE_SECS)


class _Amqp(KafkaBinding):
    """A binding of another protocol, as far as a sink can tell."""

    name = "amqp"


async def test_records_of_other_protocols_are_written_as_they_are(own: Any, place: str) -> None:
    """Faulty and opaque ones alike: header values of any type become bytes, the body stays."""
    topic = make_topic(own.server.bootstrap, place, config={"cleanup.policy": "delete"})
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    headers = [
        ("n", 5),
        ("b", True),
        ("raw", b"\xff"),
        ("t", moment),
        ("none", None),
        ("deep", {"a": [1, b"x"]}),
    ]
    transport = Transport(address="x/y", headers=headers, body=b"\x00\xff", key=b"k")
    transport.properties = {"content_type": "text/plain"}
    records = [Event(transport), Event(transport, _Amqp(), Undecodable("no event"))]
    for key_from in ("transport", "subject", "source_id"):
        await put(own.server.bootstrap, topic, records, key_from=key_from)
    async with reading(own.server.bootstrap, topic, envelope="raw") as source:
        came = [event.transport for event in await take(source, 6)]
    wanted = [
        ("n", b"5"), ("b", b"true"), ("raw", b"\xff"), ("t", moment.isoformat().encode()), ("none", None),
        ("deep", b'{"a": [1, "x"]}'), ("content-type", b"text/plain"),
    ]  # fmt: skip
    assert [(t.headers, t.body, t.key) for t in came] == [(wanted, b"\x00\xff", b"k")] * 6


async def test_keys_stay_in_order_over_a_kill(own: Any, place: str) -> None:
    topic = make_topic(own.server.bootstrap, place, 3)
    async with writing(own.server.bootstrap, topic) as sink:
        waiting = [await send(sink, keyed(500, n * 500)) for n in range(3)]
        own.server.kill9()
        await asyncio.to_thread(own.server.start)
        waiting += [await send(sink, keyed(500, 1500))]
        async with asyncio.timeout(PATIENCE_SECS):
            for durable in waiting:
                await durable
    async with reading(own.server.bootstrap, topic) as source:
        came = await take(source, 2000)
    for key in range(50):
        assert [n for n in numbers(came) if n % 50 == key] == list(range(key, 2000, 50))

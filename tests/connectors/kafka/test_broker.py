"""What only a real broker shows: handover, lost positions, limits, gaps."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from eventspan import (
    Batch,
    EndOfStream,
    Halted,
    NotConnected,
    PartialWrite,
    PositionLost,
    Rejected,
)
from eventspan.context import Context
from eventspan.testing import numbered
from eventspan_connectors.kafka.source import Source
from harness.kafka import KafkaAddress
from harness.kafka.ends import keyed, put, reading, take, writing
from harness.kafka.topics import make_topic

pytestmark = pytest.mark.broker("kafka")
CE: list[tuple[str, str | bytes | None]] = [
    ("ce_id", b"1"),
    ("ce_source", b"/s"),
    ("ce_type", b"t"),
    ("ce_specversion", b"1.0"),
]


def delete_records(bootstrap: str, topic: str, before: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_records([TopicPartition(topic, 0, before)]).values():
        future.result(10)


async def test_a_second_member_gets_only_what_the_first_has_settled(kafka: KafkaAddress, place: str) -> None:
    topic = make_topic(kafka.bootstrap, place, 4)
    await put(kafka.bootstrap, topic, keyed(400))
    held: list[Batch] = []
    asked: list[Collection[str]] = []

    async def releasing(lanes: Collection[str]) -> None:
        asked.append(lanes)
        while held:
            held.pop().ack()

    async def count(source: Source, seen: list[str]) -> None:
        while True:
            batch = await source.read()
            seen.extend(event.id for event in batch.events)
            held.append(batch)

    first_seen: list[str] = []
    async with reading(kafka.bootstrap, topic, Context(releasing=releasing)) as first:
        reader = asyncio.create_task(count(first, first_seen))
        async with asyncio.timeout(20):
            while len(first_seen) < 400:  # noqa: ASYNC110 -- the reader tells nobody
                await asyncio.sleep(0.02)
        async with reading(kafka.bootstrap, topic) as second:
            newcomer = asyncio.create_task(second.read())
            async with asyncio.timeout(20):
                while not asked:  # noqa: ASYNC110 -- the reader tells nobody
                    await asyncio.sleep(0.02)
            await put(kafka.bootstrap, topic, keyed(400, 400))
            second_seen = [event.id for event in (await asyncio.wait_for(newcomer, 20)).events]
        reader.cancel()
    assert {len(lanes) for lanes in asked} == {2}
    assert second_seen
    assert all(int(id) >= 400 for id in second_seen)


async def test_a_position_that_retention_took_is_named(kafka: KafkaAddress, place: str) -> None:
    topic = make_topic(kafka.bootstrap, place)
    await put(kafka.bootstrap, topic, numbered(10))
    async with reading(kafka.bootstrap, topic) as source:
        await source.seek({f"{topic}:0": 3})
    delete_records(kafka.bootstrap, topic, 6)
    async with reading(kafka.bootstrap, topic) as source:
        with pytest.raises(PositionLost, match=f"{topic}:0") as lost:
            await asyncio.wait_for(source.read(), 20)
        command = f"eventspan offsets set FILE --bridge orders --lane {topic}:0 --to earliest"
        assert command in (lost.value.help or "")


async def test_a_source_that_lost_its_position_leaves_no_member_behind(
    kafka: KafkaAddress, place: str
) -> None:
    topic = make_topic(kafka.bootstrap, place)
    await put(kafka.bootstrap, topic, numbered(10))
    delete_records(kafka.bootstrap, topic, 6)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for turn in range(20):
        group = f"{place}-{turn}"
        before = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 3)])
        admin.alter_consumer_group_offsets([before])[group].result(10)
        async with reading(kafka.bootstrap, topic, group=group) as source:
            with pytest.raises(PositionLost):
                await asyncio.wait_for(source.read(), 20)
        described = admin.describe_consumer_groups([group])[group].result(10)
        assert described.state == ConsumerGroupState.EMPTY, turn


async def test_partitions_made_later_are_read(kafka: KafkaAddress, place: str) -> None:
    topic = make_topic(kafka.bootstrap, place)
    async with reading(kafka.bootstrap, topic, options={"topic.metadata.refresh.interval.ms": 200}) as source:
        await put(kafka.bootstrap, topic, numbered(1))
        await take(source, 1)
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.create_partitions([NewPartitions(topic, 6)])[topic].result(10)
        await put(kafka.bootstrap, topic, keyed(200))
        assert {e.id for e in await take(source, 200)} == {str(n) for n in range(200)}


async def test_latest_is_kept_from_the_first_assignment_on(kafka: KafkaAddress, place: str) -> None:
    """A crash before the first acknowledgement must not skip what came meanwhile."""
    topic = make_topic(kafka.bootstrap, place)
    await put(kafka.bootstrap, topic, numbered(5))
    async with reading(kafka.bootstrap, topic, start="latest") as source:
        waiting = asyncio.create_task(source.read())
        async with asyncio.timeout(20):
            while (await source.positions())[f"{topic}:0"] is None:  # noqa: ASYNC110 -- the group tells nobody
                await asyncio.sleep(0.02)
        waiting.cancel()
    await put(kafka.bootstrap, topic, numbered(3, 5))
    async with reading(kafka.bootstrap, topic, start="latest") as source:
        assert [event.id for event in await take(source, 3)] == ["5", "6", "7"]


async def test_aborted_transactions_leave_gaps_that_end(kafka: KafkaAddress, place: str) -> None:
    topic = make_topic(kafka.bootstrap, place)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": place})
    await asyncio.to_thread(producer.init_transactions, 30)
    for turn, end in enumerate((producer.commit_transaction, producer.abort_transaction) * 2):
        producer.begin_transaction()
        producer.produce(topic, b"%d" % turn, headers=CE)
        producer.flush(10)
        await asyncio.to_thread(end, 30)
    async with reading(kafka.bootstrap, topic) as source:
        await source.bound()
        assert [event.data for event in await take(source, 2)] == [b"0", b"2"]
        with pytest.raises(EndOfStream):
            await asyncio.wait_for(source.read(), 20)
    async with reading(kafka.bootstrap, topic) as source:
        assert await source.lag() == {f"{topic}:0": 0}


async def test_records_go_through_untouched(kafka: KafkaAddress, place: str) -> None:
    """Duplicate, empty and missing header values, bodies and keys: all as they came."""
    topic, copy = make_topic(kafka.bootstrap, place), make_topic(kafka.bootstrap, f"{place}-copy")
    odd = [*CE, ("a", b"1"), ("a", None), ("a", b""), ("CE_ID", b"1"), ("é", b"\xff"), *[("n", b"v")] * 2000]
    unknown = [*CE, ("content-type", b"application/cloudevents+foo")]
    records: list[tuple[list[tuple[str, str | bytes | None]], bytes | None, bytes | None]] = [
        (odd, b"\xff\x00", b"\xff"),
        (unknown, b"v", None),
        (CE, None, b""),
        (CE, b"", b"k"),
    ]
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for headers, value, key in records:
        producer.produce(topic, value, key, headers=headers, timestamp=1_600_000_000_000)
    producer.flush(10)
    async with reading(kafka.bootstrap, topic) as source:
        await put(kafka.bootstrap, copy, await take(source, 4))
    async with reading(kafka.bootstrap, copy) as source:
        came = [event.transport for event in await take(source, 4)]
    assert [(t.headers, t.body, t.key) for t in came] == records
    assert {t.timestamp for t in came} == {1_600_000_000_000}


async def test_only_what_is_too_large_is_refused(kafka: KafkaAddress, place: str) -> None:
    topic = make_topic(kafka.bootstrap, place, config={"max.message.bytes": "20000"})
    events = [*numbered(30, data=b"x" * 1000), *numbered(1, 30, data=b"x" * 20_000), *numbered(3, 31)]
    async with writing(kafka.bootstrap, topic) as sink:
        durable = await sink.write(events, [])
        assert durable is not None
        with pytest.raises(PartialWrite) as partial:
            await durable
    assert list(partial.value.failures) == [30]
    assert isinstance(partial.value.failures[30], Rejected)
    async with reading(kafka.bootstrap, topic) as source:
        came = [event.id for event in await take(source, 33)]
    assert came == [str(n) for n in range(34) if n != 30]


async def test_a_compacted_topic_wants_keys(kafka: KafkaAddress, place: str) -> None:
    topic = make_topic(kafka.bootstrap, place, config={"cleanup.policy": "compact"})
    with pytest.raises(PartialWrite) as partial:
        await put(kafka.bootstrap, topic, [*numbered(1), *keyed(1, 1)])
    assert list(partial.value.failures) == [0]


@pytest.mark.parametrize("side", [reading, writing])
async def test_an_unknown_topic_is_named(kafka: KafkaAddress, place: str, side: Any) -> None:
    with pytest.raises(Halted, match=f"{place}.*does not exist"):
        async with side(kafka.bootstrap, place):
            pytest.fail("it connected")


@pytest.mark.parametrize("side", [reading, writing])
async def test_an_unreachable_server_is_named(side: Any, unused_tcp_port: int) -> None:
    with pytest.raises(NotConnected, match=rf"127\.0\.0\.1:{unused_tcp_port}.*refused"):
        async with side(f"127.0.0.1:{unused_tcp_port}", "t"):
            pytest.fail("it connected")

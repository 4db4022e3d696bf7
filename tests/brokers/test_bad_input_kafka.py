"""Odd records and changing topics, Kafka to Kafka and RabbitMQ: delivered untouched, or named and kept."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from harness.answer import Running, assert_quiet, assert_refused, call
from harness.faulty import OUTPUT, bridge, drained, halts, read_ids
from harness.kafka import KafkaAddress, make_topic
from harness.rabbitmq import RabbitAddress

pytestmark = [pytest.mark.broker("kafka"), pytest.mark.broker("rabbitmq")]
Headers = list[tuple[str, str | bytes | None]]
Record = tuple[Headers, bytes | None, bytes | None]


def attributes(id: int | str) -> Headers:
    return [("ce_id", str(id).encode()), ("ce_source", b"/s"), ("ce_type", b"t"), ("ce_specversion", b"1.0")]


def produce(kafka: KafkaAddress, topic: str, records: Sequence[Record], **more: Any) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "message.max.bytes": 10**8, **more})
    for headers, value, key in records:
        producer.produce(topic, value, key, headers=headers)
    assert producer.flush(20) == 0


def consume(kafka: KafkaAddress, topic: str, count: int) -> list[Message]:
    """What a topic of one partition holds, as another client sees it."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": f"{topic}-look"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return consumer.consume(count, timeout=15) if count else []
    finally:
        consumer.close()


def records_in(kafka: KafkaAddress, topic: str, count: int) -> list[Record]:
    return [(_headers(m), m.value(), m.key()) for m in consume(kafka, topic, count)]


def _headers(message: Message) -> Headers:
    found = message.headers() or []
    return found if isinstance(found, list) else list(found.items())


def source(kafka: KafkaAddress, topic: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "kafka",
        "servers": [kafka.bootstrap],
        "topics": [topic],
        "group": f"{topic}-group",
        **more,
    }


def sink(kafka: KafkaAddress, topic: str) -> dict[str, Any]:
    return {"type": "kafka", "servers": [kafka.bootstrap], "topic": topic}


ODD: list[Record] = [
    ([*attributes("twice"), ("a", b"1"), ("a", b"2"), ("a", b"1")], b"v", b"k"),
    ([*attributes("null"), ("a", None), ("b", b"")], b"v", None),
    (
        [*attributes("bytes"), ("a", b"\xff\xfe\x00"), ("é🔑", b"\xc3"), ("", b"x"), ("x" * 300, b"y")],
        b"\xff",
        b"\xff",
    ),
    ([*attributes("cased"), ("CE_ID", b"other"), ("Ce_Source", b"/o")], b"v", b""),
    ([*attributes("many"), *[("n", b"v")] * 10_000], b"v", b"k"),
    ([*attributes("no data")], None, b"k"),
    ([*attributes("empty")], b"", b"k"),
]


def test_odd_headers_go_through_untouched(kafka: KafkaAddress, place: str, tmp_path: Path) -> None:
    origin, copy = make_topic(kafka.bootstrap, place), make_topic(kafka.bootstrap, f"{place}-copy")
    produce(kafka, origin, ODD)
    answer = drained(tmp_path, bridge(tmp_path, source(kafka, origin), sink(kafka, copy)))
    assert_quiet(answer.text, [])
    assert records_in(kafka, copy, len(ODD)) == ODD


def test_odd_headers_by_way_of_a_queue_lose_no_event(
    kafka: KafkaAddress, rabbitmq: RabbitAddress, place: str, tmp_path: Path
) -> None:
    """What a table of headers has no room for becomes a dead letter, which is the record itself."""
    origin, back, dead = (make_topic(kafka.bootstrap, f"{place}-{part}") for part in ("in", "back", "dead"))
    produce(kafka, origin, ODD)
    queue = {"type": "amqp", "url": rabbitmq.url}
    letters = sink(kafka, dead)
    there = {**queue, "routing_key": place, "declare": {"type": "classic"}}
    first = drained(tmp_path, bridge(tmp_path, source(kafka, origin), there, dead_letter=letters))
    here = {**queue, "queue": place, "idle": "500ms"}
    second = drained(tmp_path, bridge(tmp_path, here, sink(kafka, back), dead_letter=letters))
    refused = sum(1 for answer in (first, second) for _ in range(_counted(answer.err, "dead-lettered")))
    ids = {dict(headers)["ce_id"] for headers, _, _ in records_in(kafka, back, len(ODD) - refused)}
    ids |= {dict(headers).get("ce_id", b"?") for headers, _, _ in records_in(kafka, dead, refused)}
    assert ids == {dict(headers)["ce_id"] for headers, _, _ in ODD}


def _counted(text: str, word: str) -> int:
    last = next(line for line in reversed(text.splitlines()) if line.startswith("orders: "))
    return next(
        int(part.split()[-1]) for part in last.partition(": ")[2].split(", ") if part.startswith(word)
    )


def test_only_records_beyond_the_limit_become_dead_letters(
    kafka: KafkaAddress, place: str, tmp_path: Path
) -> None:
    limit = 20_000
    origin, dead = make_topic(kafka.bootstrap, f"{place}-in"), make_topic(kafka.bootstrap, f"{place}-dead")
    target = make_topic(kafka.bootstrap, f"{place}-out", config={"max.message.bytes": str(limit)})
    sizes = [1, *range(limit - 220, limit + 2), 100, 500_000]
    records: list[Record] = [(attributes(size), os.urandom(size), b"k") for size in sizes]
    produce(kafka, origin, records)
    path = bridge(tmp_path, source(kafka, origin), sink(kafka, target), dead_letter=sink(kafka, dead))
    answer = drained(tmp_path, path)
    refused = _counted(answer.err, "dead-lettered")
    assert 2 <= refused < len(sizes) - 10
    taken = records_in(kafka, target, len(sizes) - refused)
    letters = records_in(kafka, dead, refused)
    assert taken == [r for r in records if r in taken]
    assert [value for _, value, _ in letters] == [
        value for h, value, k in records if (h, value, k) not in taken
    ]
    assert min(len(value or b"") for _, value, _ in letters) > max(len(v or b"") for _, v, _ in taken)


def test_aborted_records_and_markers_are_passed_over(kafka: KafkaAddress, place: str, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap, place, config={"cleanup.policy": "compact"})
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": place})
    producer.init_transactions(30)
    for turn in range(6):
        producer.begin_transaction()
        producer.produce(topic, b"v", f"{turn}".encode(), headers=attributes(turn))
        end = producer.abort_transaction if turn % 2 else producer.commit_transaction
        end(30)
    drained(tmp_path, bridge(tmp_path, source(kafka, topic), OUTPUT))
    assert read_ids(tmp_path) == ["0", "2", "4"]


def wait_for(running: Running, folder: Path, ids: set[str]) -> None:
    running.until(lambda: (folder / "out.jsonl").exists() and ids <= set(read_ids(folder)), timeout=30)


def test_partitions_made_while_it_runs_are_read(kafka: KafkaAddress, place: str, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap, place)
    often = {"topic.metadata.refresh.interval.ms": 200}
    path = bridge(tmp_path, source(kafka, topic, options=often), OUTPUT)
    with Running(tmp_path, "run", path, "--state", tmp_path / "state") as running:
        produce(kafka, topic, [(attributes("first"), b"v", None)])
        wait_for(running, tmp_path, {"first"})
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.create_partitions([NewPartitions(topic, 6)])[topic].result(10)
        produce(kafka, topic, [(attributes(n), b"v", b"%d" % n) for n in range(100)])
        wait_for(running, tmp_path, {str(n) for n in range(100)})
        assert running.stopped() == 0
        assert_quiet(running.text, [])


def delete_topic(kafka: KafkaAddress, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.delete_topics([topic])[topic].result(10)


@pytest.mark.parametrize("side", ["source", "sinks.sink"])
def test_a_topic_deleted_while_it_runs_is_named_and_goes_on_once_it_is_back(
    kafka: KafkaAddress, place: str, tmp_path: Path, side: str
) -> None:
    origin, copy = make_topic(kafka.bootstrap, place), make_topic(kafka.bootstrap, f"{place}-copy")
    often = {"topic.metadata.refresh.interval.ms": 200}
    path = bridge(tmp_path, source(kafka, origin, options=often), sink(kafka, copy))
    gone = origin if side == "source" else copy
    with Running(tmp_path, "run", path, "--state", tmp_path / "state") as running:
        produce(kafka, origin, [(attributes("before"), b"v", b"k")])
        assert len(consume(kafka, copy, 1)) == 1
        delete_topic(kafka, gone)
        if side != "source":
            produce(kafka, origin, [(attributes("between"), b"v", b"k")])
        running.says(f" orders {side} halted: ", gone, timeout=30)
        make_topic(kafka.bootstrap, gone)
        if side == "source":
            produce(kafka, origin, [(attributes("after"), b"v", b"k")])
        os.kill(running.pid, signal.SIGHUP)
        ids = [
            dict(headers)["ce_id"] for headers, _, _ in records_in(kafka, copy, 2 if side == "source" else 1)
        ]
        assert ids == ([b"before", b"after"] if side == "source" else [b"between"]), running.text
        assert running.stopped() == 0
        assert_quiet(running.text, [])


def test_a_position_that_retention_took_halts_and_names_the_command(
    kafka: KafkaAddress, place: str, tmp_path: Path
) -> None:
    topic = make_topic(kafka.bootstrap, place)
    produce(kafka, topic, [(attributes(n), b"v", None) for n in range(3)])
    path = bridge(tmp_path, source(kafka, topic), OUTPUT)
    drained(tmp_path, path)
    produce(kafka, topic, [(attributes(n), b"v", None) for n in range(3, 10)])
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.delete_records([TopicPartition(topic, 0, 6)])[TopicPartition(topic, 0, 6)].result(10)
    answer = halts(tmp_path, path, "source", f"{topic}:0", "eventspan offsets set ")
    assert read_ids(tmp_path) == ["0", "1", "2"], answer.text
    advice = answer.err.partition("eventspan offsets set ")[2].partition(")")[0]
    mend = ("offsets", "set", *advice.replace("FILE", str(path)).split(), "--yes", "--state", "state")
    mended = call(tmp_path, *mend)
    assert mended.status == 0, mended.text
    drained(tmp_path, path)
    assert read_ids(tmp_path) == ["0", "1", "2", *map(str, range(6, 10))]


def test_a_position_beyond_the_end_halts(kafka: KafkaAddress, place: str, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap, place)
    produce(kafka, topic, [(attributes(n), b"v", None) for n in range(5)])
    path = bridge(tmp_path, source(kafka, topic), OUTPUT)
    drained(tmp_path, path)
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": f"{topic}-group"})
    consumer.commit(offsets=[TopicPartition(topic, 0, 50)], asynchronous=False)
    consumer.close()
    produce(kafka, topic, [(attributes(n), b"v", None) for n in range(5, 8)])
    halts(tmp_path, path, "source", f"{topic}:0", "eventspan offsets set ")
    assert read_ids(tmp_path) == [str(n) for n in range(5)]


def test_two_workers_of_one_instance_name_are_told_apart(
    kafka: KafkaAddress, place: str, tmp_path: Path
) -> None:
    topic = make_topic(kafka.bootstrap, place)
    path = bridge(tmp_path, source(kafka, topic, instance="one"), OUTPUT)
    with Running(tmp_path, "run", path, "--state", tmp_path / "first") as first:
        produce(kafka, topic, [(attributes("1"), b"v", None)])
        wait_for(first, tmp_path, {"1"})
        other = tmp_path / "other"
        other.mkdir()
        again = bridge(other, source(kafka, topic, instance="one"), OUTPUT)
        with Running(other, "run", again, "--state", other / "state") as second:
            first.says(" orders source halted: ", "instance", timeout=30)
            produce(kafka, topic, [(attributes("2"), b"v", None)])
            wait_for(second, other, {"2"})
            assert second.stopped() == 0
            assert_quiet(second.text + first.text, [])


@pytest.mark.parametrize("name", [".", "..", "a b", "a/b", "x" * 250, "é", ""])
def test_a_name_that_no_topic_has_is_refused_in_the_file(tmp_path: Path, name: str) -> None:
    server = KafkaAddress("127.0.0.1:1")
    for path in (
        bridge(tmp_path, source(server, name), OUTPUT),
        bridge(tmp_path, OUTPUT, sink(server, name)),
    ):
        for verb, *more in (["lint"], ["run", "--state", "state"]):
            answer = call(tmp_path, verb, path, *more)
            assert_refused(answer, f"{path}:1:", "error[ES104 bad-value]")


def test_names_as_long_as_they_may_be_and_alike_are_kept_apart(
    kafka: KafkaAddress, place: str, tmp_path: Path
) -> None:
    names = [(place + "-x" * 249)[:249], f"{place}.a", f"{place}_b"]
    for name in names:
        make_topic(kafka.bootstrap, name)
        produce(kafka, name, [(attributes(name[-3:]), b"v", None)])
    settings = source(kafka, names[0], topics=names, group=place)
    drained(tmp_path, bridge(tmp_path, settings, OUTPUT))
    assert set(read_ids(tmp_path)) == {name[-3:] for name in names}

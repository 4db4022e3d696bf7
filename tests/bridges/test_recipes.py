"""Every recipe is whole, ships with the package, and moves events between real ends."""

from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pika
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from eventspan_bridges.settings.check import check_text
from harness.documents import shell
from harness.kafka import KafkaAddress, KafkaServer, make_topic
from harness.rabbitmq import RabbitAddress

FOLDER = resources.files("eventspan_bridges") / "recipes"
NAMES = sorted(entry.name for entry in FOLDER.iterdir() if entry.name.endswith(".yaml"))
HEADERS: list[tuple[str, str | bytes | None]] = [
    ("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/shop"), ("ce_type", b"order.created"),
    ("content-type", b"application/json"),
]  # fmt: skip
LINE = (
    '{"specversion":"1.0","id":"1","source":"/shop","type":"t","subject":"eu-1",'
    '"datacontenttype":"application/json","data":{"a":1.0}}'
)
Record = tuple[bytes | None, bytes | None, Sequence[tuple[str, str | bytes | None]]]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_whole_and_bears_its_name(name: str) -> None:
    found = check_text((FOLDER / name).read_bytes(), name, {})
    assert found.problems == ()
    assert [bridge.name + ".yaml" for bridge in found.bridges] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_explains_every_variable(name: str) -> None:
    text = (FOLDER / name).read_text()
    comments = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    used = {part.partition(":-")[0].partition("}")[0] for part in text.split("${")[1:]}
    assert {variable for variable in used if variable not in comments} == set()


def _run(name: str, folder: Path, **variables: str) -> str:
    return shell(f"eventspan run {FOLDER / name} --until drained", folder, variables).stderr


def _produce(bootstrap: str, topic: str, *records: Record) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for key, value, headers in records:
        producer.produce(topic, value, key, headers=list(headers), timestamp=1_700_000_000_123)
    assert producer.flush(20) == 0


def _read(bootstrap: str, topic: str, count: int) -> list[tuple[Record, int]]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"{topic}-oracle", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        found = consumer.consume(count, timeout=20)
        return [((m.key(), m.value(), _headers(m)), m.timestamp()[1]) for m in found]
    finally:
        consumer.close()


def _headers(message: Message) -> tuple[tuple[str, str | bytes | None], ...]:
    found = message.headers() or []
    assert isinstance(found, list)
    return tuple(found)


@pytest.fixture
def channel(rabbitmq: RabbitAddress, place: str) -> Iterator[Any]:
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        yield channel
        for queue in (place, f"{place}.dead"):
            channel.queue_delete(queue)


@pytest.mark.broker("kafka")
@pytest.mark.broker("rabbitmq")
def test_kafka_to_rabbitmq(
    kafka: KafkaAddress, rabbitmq: RabbitAddress, place: str, tmp_path: Path, channel: Any
) -> None:
    make_topic(kafka.bootstrap, place)
    _produce(kafka.bootstrap, place, (b"k", b'{"a": 1.0}', HEADERS), (None, b"no event", []))
    variables = {
        "KAFKA_SERVERS": kafka.bootstrap,
        "RABBITMQ_URL": rabbitmq.url,
        "TOPIC": place,
        "GROUP": place,
    }
    _run("kafka-to-rabbitmq.yaml", tmp_path, QUEUE=place, QUEUE_DEAD=f"{place}.dead", **variables)
    _, properties, body = channel.basic_get(place, auto_ack=True)
    assert (body, properties.headers["ce-id"]) == (b'{"a": 1.0}', "1")
    _, properties, body = channel.basic_get(f"{place}.dead", auto_ack=True)
    assert (body, properties.headers["eventspan-dlq-stage"]) == (b"no event", "read")


@pytest.mark.broker("kafka")
@pytest.mark.broker("rabbitmq")
def test_rabbitmq_to_kafka(
    kafka: KafkaAddress, rabbitmq: RabbitAddress, place: str, tmp_path: Path, channel: Any
) -> None:
    for topic in (place, f"{place}.dead"):
        make_topic(kafka.bootstrap, topic)
    channel.queue_declare(place, durable=True, arguments={"x-queue-type": "quorum"})
    channel.confirm_delivery()
    attributes = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "t"}
    event = pika.BasicProperties(content_type="application/json", headers=attributes)
    channel.basic_publish("", place, b'{"a": 1.0}', event)
    channel.basic_publish("", place, b"no event", pika.BasicProperties(headers={"n": "1"}))
    variables = {
        "KAFKA_SERVERS": kafka.bootstrap,
        "RABBITMQ_URL": rabbitmq.url,
        "TOPIC": place,
        "QUEUE": place,
    }
    _run("rabbitmq-to-kafka.yaml", tmp_path, TOPIC_DEAD=f"{place}.dead", **variables)
    [((_, value, headers), _)] = _read(kafka.bootstrap, place, 1)
    assert (value, dict(headers)["ce_id"]) == (b'{"a": 1.0}', b"1")
    [((_, value, headers), _)] = _read(kafka.bootstrap, f"{place}.dead", 1)
    assert (value, dict(headers)["n"], dict(headers)["eventspan-dlq-stage"]) == (b"no event", b"1", b"read")


@pytest.mark.broker("kafka")
def test_kafka_mirror(kafka: KafkaAddress, kafka_own: KafkaServer, place: str, tmp_path: Path) -> None:
    records: list[Record] = [
        (b"k", b'{"a": 1.0}', tuple(HEADERS)),
        (None, None, (("n", None), ("n", b"\xff"))),
    ]
    topics = [f"{place}.a", f"{place}.b"]
    for topic in topics:
        make_topic(kafka.bootstrap, topic)
        make_topic(kafka_own.bootstrap, topic)
        _produce(kafka.bootstrap, topic, *records)
    _run(
        "kafka-mirror.yaml", tmp_path,
        KAFKA_FROM=kafka.bootstrap, KAFKA_TO=kafka_own.bootstrap, TOPICS=f"{place}.*", GROUP=place,
    )  # fmt: skip
    for topic in topics:
        assert _read(kafka_own.bootstrap, topic, 2) == [(record, 1_700_000_000_123) for record in records]


@pytest.mark.broker("kafka")
def test_file_to_kafka(kafka: KafkaAddress, place: str, tmp_path: Path) -> None:
    make_topic(kafka.bootstrap, place)
    (tmp_path / "in.jsonl").write_text(f"{LINE}\nno event\n")
    paths = {"FILE": "in.jsonl", "DEAD_LETTERS": "dead.db"}
    said = _run("file-to-kafka.yaml", tmp_path, KAFKA_SERVERS=kafka.bootstrap, TOPIC=place, **paths)
    assert "delivered 1, dead-lettered 1" in said
    [((key, value, _), _)] = _read(kafka.bootstrap, place, 1)
    assert (key, value) == (b"eu-1", b'{"a":1.0}')
    dead = shell("eventspan recv sqlite:dead.db?log=file-to-kafka --exit -o record", tmp_path).stdout
    assert '"bm8gZXZlbnQ="' in dead

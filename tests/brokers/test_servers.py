"""The real servers start, survive kill -9 with what they confirmed, and come back on the same data."""

import uuid

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from harness.kafka import KafkaAddress, KafkaServer, make_topic


def _produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
    errors: list[object] = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _message: errors.append(error))
    assert producer.flush(20.0) == 0
    assert errors == [None] * len(values)


def _read(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return [message.value() for message in consumer.consume(count, timeout=20.0)]
    finally:
        consumer.close()


@pytest.mark.broker("kafka")
def test_shared_kafka_carries_what_was_produced(kafka: KafkaAddress, place: str) -> None:
    topic = make_topic(kafka.bootstrap, place)
    _produce(kafka.bootstrap, topic, [b"one", b"two"])
    assert _read(kafka.bootstrap, topic, 2) == [b"one", b"two"]


@pytest.mark.broker("kafka")
def test_kafka_keeps_confirmed_records_over_kill_9(kafka_own: KafkaServer, place: str) -> None:
    topic = make_topic(kafka_own.bootstrap, place)
    _produce(kafka_own.bootstrap, topic, [b"kept"])
    kafka_own.kill9()
    kafka_own.start()
    assert _read(kafka_own.bootstrap, topic, 1) == [b"kept"]

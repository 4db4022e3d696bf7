"""The bridge of the README, between real brokers, as its page says to run it."""

import json
import sqlite3
from pathlib import Path

import pika
import pytest
from confluent_kafka import Producer

from harness.documents import ROOT, blocks, shell
from harness.kafka import KafkaAddress, make_topic
from harness.rabbitmq import RabbitAddress

HEADERS: list[tuple[str, str | bytes | None]] = [
    ("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/shop"), ("ce_type", b"order.created"),
]  # fmt: skip


@pytest.mark.broker("kafka")
@pytest.mark.broker("rabbitmq")
def test_orders_cross_and_what_is_none_is_kept(
    kafka: KafkaAddress, rabbitmq: RabbitAddress, place: str, tmp_path: Path
) -> None:
    make_topic(kafka.bootstrap, place)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(place, b'{"amount": 5.10}', b"k", headers=HEADERS)
    producer.produce(place, b"x", headers=[*HEADERS[:3], ("ce_type", b"visit.ended")])
    producer.produce(place, b"no event")
    assert producer.flush(20) == 0
    [bridge] = blocks(ROOT / "README.md", "yaml")
    text = bridge.replace("[orders]", f"[{place}]").replace("routing_key: orders", f"routing_key: {place}")
    text = text.replace("orders-bridge", place).replace("localhost:9092", kafka.bootstrap)
    (tmp_path / "orders.yaml").write_text(text.replace("amqp://guest:guest@localhost/", rabbitmq.url))
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        said = shell("eventspan run orders.yaml --until drained", tmp_path).stderr
        _, properties, body = channel.basic_get(place, auto_ack=True)
        channel.queue_delete(place)
    assert "received 3, delivered 1, dead-lettered 1, filtered 1, pending 0" in said
    assert (body, properties.headers["ce-type"]) == (b'{"amount": 5.10}', "order.created")
    _check_dead_letters(tmp_path)


def _check_dead_letters(folder: Path) -> None:
    """By the two commands the page shows."""
    [shown] = [text for text in blocks(ROOT / "README.md", "console") if "sqlite3" in text]
    query, command = [line.removeprefix("$ ") for line in shown.splitlines()]
    database = sqlite3.connect(folder / "orders-dead.db")
    [(failure, body)] = database.execute(query.split('"')[1]).fetchall()
    database.close()
    assert (json.loads(failure)["stage"], body) == ("read", b"no event")
    [record] = shell(command, folder).stdout.splitlines()
    assert json.loads(record)["failure"]["stage"] == "read"

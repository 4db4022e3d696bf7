"""Odd messages and queues that vanish, on RabbitMQ: delivered untouched, dead-lettered, or named and kept."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from harness.answer import Running, assert_quiet, assert_refused, call
from harness.faulty import EVENTS, INPUT, OUTPUT, bridge, drained, read_ids, write_events
from harness.rabbitmq import RabbitAddress

pytestmark = pytest.mark.broker("rabbitmq")
IDS = [str(event["id"]) for event in EVENTS]
DURABLE = 2


@pytest.fixture
def channel(rabbitmq: RabbitAddress) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


def side(rabbitmq: RabbitAddress, **more: Any) -> dict[str, Any]:
    return {"type": "amqp", "url": rabbitmq.url, **more}


def publish(channel: BlockingChannel, queue: str, id: int | str, body: bytes = b"v", **more: Any) -> None:
    headers = {"ce-id": str(id), "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0", **more}
    channel.basic_publish("", queue, body, pika.BasicProperties(headers=headers, delivery_mode=DURABLE))


ODD: dict[str, dict[str, Any]] = {
    "nested": {"a": {"b": {"c": [1, "two", {"d": True}]}}},
    "decimal": {"a": Decimal("12.34")},
    "time": {"a": datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)},
    "bytes": {"a": b"\xff\x00\xfe"},
    "large": {"a": 2**40, "b": -(2**40)},
    "nothing": {"a": None},
    "deaths": {"x-death": [{"count": n, "queue": "q", "reason": "rejected"} for n in range(200)]},
    "many": {f"h{n}": "v" for n in range(2000)},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_headers_go_through_untouched(
    rabbitmq: RabbitAddress, channel: BlockingChannel, place: str, tmp_path: Path, name: str
) -> None:
    for queue in (place, f"{place}-out"):
        channel.queue_declare(queue, durable=True)
    publish(channel, place, name, **ODD[name])
    publish(channel, place, "plain")
    source, sink = side(rabbitmq, queue=place, idle="300ms"), side(rabbitmq, routing_key=f"{place}-out")
    answer = drained(tmp_path, bridge(tmp_path, source, sink))
    assert_quiet(answer.text, [])
    _, properties, body = channel.basic_get(f"{place}-out", auto_ack=True)
    assert (properties.headers["ce-id"], body) == (name, b"v")
    kept = {key: value for key, value in properties.headers.items() if key in ODD[name]}
    if name == "deaths":
        # What the broker wrote about its own queues is not part of the message.
        assert kept in ({}, ODD[name])
    else:
        assert kept == ODD[name]
    assert channel.basic_get(f"{place}-out", auto_ack=True)[1].headers["ce-id"] == "plain"


def test_what_no_queue_takes_is_kept_until_one_does(
    rabbitmq: RabbitAddress, channel: BlockingChannel, place: str, tmp_path: Path
) -> None:
    write_events(tmp_path)
    dead = {"type": "file", "path": "dead.jsonl"}
    path = bridge(tmp_path, INPUT, side(rabbitmq, routing_key=place), dead_letter=dead)
    drained(tmp_path, path)
    letters = (tmp_path / "dead.jsonl").read_text()
    assert letters.count("\n") == len(IDS)
    assert "sinks.sink" in letters
    assert place in letters
    channel.queue_declare(place, durable=True)
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write('{"specversion":"1.0","id":"late","source":"/s","type":"t"}\n')
    drained(tmp_path, path)
    assert channel.queue_declare(place, passive=True).method.message_count == 1


def test_a_queue_deleted_while_it_runs_is_named_and_read_on_once_it_is_back(
    rabbitmq: RabbitAddress, channel: BlockingChannel, place: str, tmp_path: Path
) -> None:
    channel.queue_declare(place, durable=True)
    path = bridge(tmp_path, side(rabbitmq, queue=place), OUTPUT)
    with Running(tmp_path, "run", path, "--state", tmp_path / "state") as running:
        publish(channel, place, "before")
        running.until(lambda: read_ids(tmp_path) == ["before"])
        channel.queue_delete(place)
        running.says(" orders source halted: ", place)
        channel.queue_declare(place, durable=True)
        publish(channel, place, "after")
        os.kill(running.pid, signal.SIGHUP)
        running.until(lambda: read_ids(tmp_path) == ["before", "after"])
        assert running.stopped() == 0
        assert_quiet(running.text, [])


def test_a_body_beyond_the_limit_is_a_dead_letter_and_the_rest_goes_on(
    rabbitmq: RabbitAddress, channel: BlockingChannel, place: str, tmp_path: Path
) -> None:
    for queue in (place, f"{place}-out"):
        channel.queue_declare(queue, durable=True)
    for id, size in (("small", 10), ("huge", 5 * 2**20), ("last", 10)):
        publish(channel, place, id, bytes(size))
    source = side(rabbitmq, queue=place, idle="300ms")
    sink = side(rabbitmq, routing_key=f"{place}-out", max_message="1MiB")
    dead = {"type": "file", "path": "dead.jsonl"}
    drained(tmp_path, bridge(tmp_path, source, sink, dead_letter=dead))
    came = [channel.basic_get(f"{place}-out", auto_ack=True)[1].headers["ce-id"] for _ in range(2)]
    assert came == ["small", "last"]
    assert (tmp_path / "dead.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize(
    "more",
    [
        {"exchange": "e", "routing_key": "k" * 256},
        {"exchange": "e\0f", "routing_key": "k"},
        {"exchange": "é" * 128, "routing_key": "k"},
        {},
    ],
    ids=["long key", "NUL", "long name", "nowhere"],
)
def test_a_target_that_no_exchange_has_is_refused_in_the_file(tmp_path: Path, more: dict[str, str]) -> None:
    path = bridge(tmp_path, INPUT, {"type": "amqp", **more})
    for verb, *options in (["lint"], ["run", "--state", "state"]):
        assert_refused(call(tmp_path, verb, path, *options), f"{path}:1:", "error[ES104 ")

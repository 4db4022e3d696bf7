"""Kafka as the oracle uses it: an idempotent producer, and a reader of whole topics without a group."""

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from harness.oracle.ends import KafkaEnd
from harness.oracle.ledger import Ledger
from harness.oracle.mint import Mint
from harness.oracle.native import Sighting, sent_headers
from harness.oracle.pace import Pace

_PATIENCE = 60.0
_PRODUCER = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 5,
    "message.timeout.ms": 600_000,
    "queue.buffering.max.messages": 50_000,
    "reconnect.backoff.max.ms": 500,
    "log_level": 0,
}
_CONSUMER = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "fetch.queue.backoff.ms": 5,
    "fetch.wait.max.ms": 50,
    "queued.max.messages.kbytes": 16_384,
    "reconnect.backoff.max.ms": 500,
    "log_level": 0,
}


class KafkaFeed:
    """Sends records; one is confirmed once every in-sync replica has it."""

    def __init__(self, end: KafkaEnd, mint: Mint, ledger: Ledger) -> None:
        self._end = end
        self._mint = mint
        self._ledger = ledger
        self._producer = Producer({"bootstrap.servers": end.bootstrap, **_PRODUCER})

    def feed(self, count: int, pace: Pace) -> None:
        """Send `count` more, and return when every one is confirmed or given up."""
        for _ in range(count):
            pace.wait()
            self._send(self._ledger.issue())
            self._producer.poll(0)
        self._producer.flush()

    def _send(self, number: int) -> None:
        record = self._mint.record(number)
        send = partial(
            self._producer.produce,
            self._end.topic,
            record.body,
            record.key.encode(),
            headers=sent_headers(record),
            on_delivery=partial(self._delivered, number),
        )
        while True:
            try:
                send()
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def _delivered(self, number: int, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self._ledger.confirm(number)


class KafkaWatch:
    """Reads a topic from its beginning, over restarts of the broker, by offsets it keeps itself."""

    def __init__(self, end: KafkaEnd, see: Callable[[Sighting], None]) -> None:
        self._topic = end.topic
        self._see = see
        self._consumer = Consumer(
            {"bootstrap.servers": end.bootstrap, "group.id": uuid.uuid4().hex, **_CONSUMER}
        )
        found = self._consumer.list_topics(end.topic, timeout=_PATIENCE).topics[end.topic].partitions
        self._next = dict.fromkeys(found, 0)
        self._consumer.assign([TopicPartition(end.topic, partition, 0) for partition in found])

    def step(self) -> None:
        """Read what is there, or wait a moment for something."""
        for message in self._consumer.consume(500, timeout=0.05):
            if message.error() is None:
                self._take(message)

    def _take(self, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if partition is None or offset is None or offset < self._next[partition]:
            return
        self._next[partition] = offset + 1
        self._see(_sighting(message))

    def finish(self) -> None:
        """Read up to where the topic ends now."""
        ends = self._ends()
        deadline = time.monotonic() + _PATIENCE
        while any(self._next[partition] < end for partition, end in ends.items()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._topic} cannot be read to its end")
            self.step()

    def _ends(self) -> dict[int, int]:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return {partition: self._high(partition) for partition in self._next}
            except KafkaException:
                if time.monotonic() > deadline:
                    raise

    def _high(self, partition: int) -> int:
        found = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=5)
        return 0 if found is None or found[0] == found[1] else int(found[1])


def _sighting(message: Message) -> Sighting:
    headers: list[tuple[str, Any]] = [(str(pair[0]), pair[1]) for pair in message.headers() or []]
    media = next((value for name, value in headers if name == "content-type"), None)
    text = media.decode() if isinstance(media, bytes) else media
    key = message.key()
    value = message.value()
    return Sighting(
        headers,
        text,
        key.encode() if isinstance(key, str) else key,
        (value.encode() if isinstance(value, str) else value) or b"",
    )

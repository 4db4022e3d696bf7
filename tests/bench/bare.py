"""Bare copy loops: what the client libraries can do when nothing else is asked of them.

``python -m bench.bare kafka-kafka SOURCE TARGET TOPIC_IN TOPIC_OUT`` and so on; each
runs until it is ended, and acknowledges only what is durable.
"""

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from pamqp import commands as spec

from bench import bare_amqp

BATCH = 500


def consumer(servers: str, topic: str, group: str) -> Consumer:
    """A consumer as fast as the client is."""
    found = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"bare-{group}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": True,
            "enable.auto.offset.store": False,
            "fetch.queue.backoff.ms": 5,
        }
    )
    found.subscribe([topic])
    return found


def producer(servers: str) -> Producer:
    """An idempotent producer that waits for all replicas."""
    return Producer({"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True, "linger.ms": 5})


def fetch(found: Consumer) -> list[Message]:
    """A batch of good messages, as soon as there is one."""
    first = found.poll(0.05)
    if first is None:
        return []
    return [m for m in [first, *found.consume(BATCH - 1, 0)] if m.error() is None]


def offsets(messages: Sequence[Any]) -> list[TopicPartition]:
    """Where reading goes on after these messages."""
    last = {(m.topic(), m.partition()): m.offset() for m in messages}
    return [TopicPartition(topic, partition, at + 1) for (topic, partition), at in last.items()]


def store(found: Consumer, messages: Sequence[Message]) -> None:
    """Note that these messages are delivered; the client commits it by and by."""
    found.store_offsets(offsets=offsets(messages))


class Countdown:
    """One callback for all messages of a batch."""

    __slots__ = ("_done", "_left")

    def __init__(self, count: int, done: Callable[[], object]) -> None:
        self._left = count
        self._done = done

    def __call__(self, error: object, message: object) -> None:
        if error is not None:
            raise RuntimeError(str(error))
        self._left -= 1
        if not self._left:
            self._done()


def kafka_kafka(source: str, target: str, topic_in: str, topic_out: str, group: str) -> None:
    """Consume, produce, and store offsets once they are delivered."""
    found, sent = consumer(source, topic_in, group), producer(target)
    produce = sent.produce
    while True:
        messages = fetch(found)
        done = Countdown(len(messages), partial(store, found, messages))
        for message in messages:
            while True:
                try:
                    produce(
                        topic_out, message.value(), message.key(), headers=message.headers(), on_delivery=done
                    )
                    break
                except BufferError:
                    sent.poll(0.05)
        sent.poll(0)


async def kafka_amqp(source: str, url: str, topic: str, queue: str, group: str) -> None:
    """Consume in a thread, publish a batch in one write, store offsets once it is confirmed."""
    found = consumer(source, topic, group)
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1)
    connection = await bare_amqp.connect(url)
    await connection.call(spec.Confirm.Select())
    publisher = bare_amqp.Publisher(connection, queue)
    flying: deque[tuple[asyncio.Future[None], list[Message]]] = deque()
    settled: list[list[Message]] = []

    def turn() -> list[Message]:
        # Any call from another thread would wait for a poll that is under way.
        while settled:
            store(found, settled.pop())
        return fetch(found)

    upcoming = loop.run_in_executor(thread, turn)
    while True:
        messages = await upcoming
        upcoming = loop.run_in_executor(thread, turn)
        if messages:
            flying.append((publisher.publish([translated(m) for m in messages]), messages))
        while flying and (len(flying) > 8 or flying[0][0].done()):
            done, delivered = flying.popleft()
            await done
            settled.append(delivered)


def translated(message: Any) -> tuple[bytes, dict[str, bytes]]:
    """Body and attributes of a binary event."""
    return message.value() or b"", {name[3:]: value for name, value in message.headers() if name[:3] == "ce_"}


async def amqp_kafka(url: str, target: str, queue: str, topic: str) -> None:
    """Take deliveries as they come, produce them, acknowledge once they are delivered."""
    loop = asyncio.get_running_loop()
    sent = producer(target)
    threading.Thread(target=_poll, args=(sent,), daemon=True).start()
    connection = await bare_amqp.connect(url)
    await connection.call(spec.Basic.Qos(0, 2000, False))
    arrived: deque[bare_amqp.Delivery] = deque()
    wake = asyncio.Event()

    def delivered(batch: list[bare_amqp.Delivery]) -> None:
        arrived.extend(batch)
        wake.set()

    connection.delivered = delivered
    connection.send(spec.Basic.Consume(queue=queue))
    unsettled: deque[list[int]] = deque()  # tag and whether it is delivered, in the order of the tags

    def settle(entry: list[int]) -> None:
        entry[1] = True
        tag = 0
        while unsettled and unsettled[0][1]:
            tag = unsettled.popleft()[0]
        if tag:
            connection.send(spec.Basic.Ack(tag, True))

    while True:
        await wake.wait()
        wake.clear()
        batch = list(arrived)
        arrived.clear()
        entry = [batch[-1][0], False]
        unsettled.append(entry)
        countdown = Countdown(len(batch), partial(loop.call_soon_threadsafe, settle, entry))
        for _, content, body in batch:
            found = bare_amqp.headers_of(content)
            headers: list[Any] = [
                ("ce_" + name[3:], value) for name, value in found.items() if name[:3] == "ce-"
            ]
            headers.append(("content-type", b"application/json"))
            while True:
                try:
                    sent.produce(topic, body, headers=headers, on_delivery=countdown)
                    break
                except BufferError:
                    await asyncio.sleep(0.005)


def _poll(sent: Producer) -> None:
    while True:
        sent.poll(0.05)


def main(kind: str, *places: str) -> None:
    """Run one loop until the process is ended."""
    if kind == "kafka-kafka":
        kafka_kafka(*places)
    elif kind == "kafka-amqp":
        asyncio.run(kafka_amqp(*places))
    else:
        asyncio.run(amqp_kafka(*places))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Looking through topics from beginning to end without being a member of the group."""

import asyncio
import time
from collections.abc import AsyncIterator

from confluent_kafka import Consumer, KafkaError, TopicPartition

from eventspan.event import Event
from eventspan_connectors.kafka import options
from eventspan_connectors.kafka.config import KafkaSource
from eventspan_connectors.kafka.errors import translate
from eventspan_connectors.kafka.lookup import Lookup
from eventspan_connectors.kafka.records import Maker, lane_of

IDLE_SECS = 30.0


async def browse(settings: KafkaSource, maker: Maker, lookup: Lookup) -> AsyncIterator[Event]:
    """Every event there now, oldest first within a lane."""
    found = await asyncio.to_thread(lookup.partitions)
    marks = await asyncio.to_thread(lookup.watermarks, found)
    wanted = {
        (tp.topic, tp.partition): high for tp, (low, high) in zip(found, marks, strict=True) if high > low
    }
    consumer = Consumer(options.reader(settings, lambda error: None))
    try:
        lows = [low for low, high in marks if high > low]
        consumer.assign([TopicPartition(*key, low) for key, low in zip(wanted, lows, strict=True)])
        while wanted:
            for event in await asyncio.to_thread(_next, consumer, maker, wanted, settings):
                yield event
    finally:
        await asyncio.to_thread(consumer.close)


def _next(
    consumer: Consumer, maker: Maker, wanted: dict[tuple[str, int], int], settings: KafkaSource
) -> list[Event]:
    """The next records before the wanted ends; takes out the partitions that are through."""
    end = time.monotonic() + IDLE_SECS
    while not (messages := consumer.consume(settings.batch, 0.2)):
        if time.monotonic() > end:
            raise translate(KafkaError(KafkaError._TIMED_OUT), "browse", settings.servers)
    good, through = [], {}
    for message in messages:
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise translate(error, lane_of(message.topic() or "", message.partition() or 0), settings.servers)
        key = (message.topic() or "", message.partition() or 0)
        at = message.offset() or 0
        if error is None and at < wanted.get(key, 0):
            good.append(message)
        through[key] = at if error is not None else at + 1
    for key, reached in through.items():
        if reached >= wanted.get(key, 0):
            wanted.pop(key, None)
    return [event for part in maker.parts(good) for event in part.events]

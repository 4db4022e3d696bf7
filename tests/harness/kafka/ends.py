"""The connector's own ends for the length of a block, and events written and taken by them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from eventspan import Event, Transport
from eventspan.context import Context
from eventspan_connectors.kafka.config import KafkaSink, KafkaSource
from eventspan_connectors.kafka.sink import Sink
from eventspan_connectors.kafka.source import Source

PATIENCE_SECS = 30


@asynccontextmanager
async def reading(
    bootstrap: str, topic: str, context: Context | None = None, **more: Any
) -> AsyncIterator[Source]:
    """A connected source on a topic, in a group of its name."""
    settings = KafkaSource.model_validate(
        {"servers": [bootstrap], "topics": [topic], "group": f"{topic}-group", **more}
    )
    source = Source(settings, context or Context(bridge="orders"))
    try:
        await source.connect()
        yield source
    finally:
        await source.close()


@asynccontextmanager
async def writing(
    bootstrap: str, topic: str, context: Context | None = None, **more: Any
) -> AsyncIterator[Sink]:
    """A connected sink on a topic."""
    settings = KafkaSink.model_validate({"servers": [bootstrap], "topic": topic, **more})
    sink = Sink(settings, context or Context())
    try:
        await sink.connect()
        yield sink
    finally:
        await sink.close()


async def put(bootstrap: str, topic: str, events: list[Event], **more: Any) -> None:
    """Write events and wait until they are durable."""
    async with writing(bootstrap, topic, **more) as sink:
        durable = await sink.write(events, [])
        assert durable is not None
        await durable


async def take(source: Source, count: int) -> list[Event]:
    """Read and acknowledge until so many events have come."""
    taken: list[Event] = []
    async with asyncio.timeout(PATIENCE_SECS):
        while len(taken) < count:
            batch = await source.read()
            taken += batch.events
            batch.ack()
    return taken


def keyed(count: int, start: int = 0) -> list[Event]:
    """Numbered events over fifty keys."""
    return [
        Event.new({"id": str(n), "source": "/s", "type": "t"}, b"x", Transport(key=b"%d" % (n % 50)))
        for n in range(start, start + count)
    ]

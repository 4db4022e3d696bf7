import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from eventspan import ConfigError, Context, EndOfStream, Event, Halted, Transport, registry
from eventspan.endpoint import Level
from eventspan.testing import numbered, spans_of, virtual_time
from eventspan_connectors.memory import connector
from eventspan_connectors.memory.config import SinkSettings, SourceSettings
from eventspan_connectors.memory.log import forget
from eventspan_connectors.memory.sink import MemorySink
from eventspan_connectors.memory.source import MemorySource


@pytest.fixture
def name() -> Iterator[str]:
    made = uuid4().hex
    yield made
    forget(made)


async def source(name: str, **more: Any) -> MemorySource:
    made = MemorySource(SourceSettings.model_validate({"name": name, **more}), Context())
    await made.connect()
    return made


async def sink(name: str, **more: Any) -> MemorySink:
    made = MemorySink(SinkSettings.model_validate({"name": name, **more}), Context())
    await made.connect()
    return made


def test_is_installed() -> None:
    assert registry.load("memory") is connector
    assert connector.url is not None
    assert connector.url("memory:orders") == connector.url("memory://orders") == {"name": "orders"}


async def test_a_full_log_makes_its_writer_wait(name: str) -> None:
    reader, writer = await source(name), await sink(name, capacity=3)
    await writer.write(numbered(3), [])
    more = asyncio.create_task(writer.write(numbered(1, 3), []))
    batch = await reader.read()
    await asyncio.sleep(0)
    assert not more.done()
    batch.ack()
    await more


async def test_a_write_larger_than_the_log_passes_alone(name: str) -> None:
    reader, writer = await source(name), await sink(name, capacity=3)
    await writer.write(numbered(10), [])
    assert len((await reader.read()).events) == 10


async def test_consumers_read_on_their_own(name: str) -> None:
    writer = await sink(name)
    await writer.write(numbered(2), [])
    for consumer in ("a", "b"):
        (await (await source(name, consumer=consumer)).read()).ack()


async def test_a_second_source_of_a_consumer_takes_over(name: str) -> None:
    writer, former = await sink(name), await source(name)
    await writer.write(numbered(2), [])
    late = await former.read()
    newer = await source(name)
    with pytest.raises(Halted, match="another source reads"):
        await former.read()
    late.ack()
    assert [event.id for event in (await newer.read()).events] == ["0", "1"]


async def test_latest_skips_nothing_after_a_restart(name: str) -> None:
    writer = await sink(name)
    await writer.write(numbered(2), [])
    await (await source(name, start="latest")).close()
    await writer.write(numbered(1, 2), [])
    again = await source(name, start="latest")
    assert [event.id for event in (await again.read()).events] == ["2"]


async def test_seeks_a_time_and_starts_a_new_epoch(name: str) -> None:
    writer, reader = await sink(name), await source(name)
    at = [Event.new(e.attributes, e.data, Transport(timestamp=n * 1000)) for n, e in enumerate(numbered(4))]
    await writer.write(at, [])
    first = await reader.read()
    lane = first.spans[0].lane
    assert await reader.seek({lane: datetime.fromtimestamp(2, UTC)}) == {lane: 2}
    first.ack()
    second = await reader.read()
    assert [event.id for event in second.events] == ["2", "3"]
    assert second.spans[0].epoch > first.spans[0].epoch
    with pytest.raises(ConfigError, match="no position"):
        await reader.seek({lane: 5})


async def test_a_key_has_one_lane(name: str) -> None:
    writer, reader = await sink(name, lanes=4), await source(name, lanes=4)
    await writer.write(numbered(40, keys=8), [])
    lanes: dict[bytes | None, set[str]] = {}
    for event in (await reader.read()).events:
        lanes.setdefault(event.transport.key, set()).add(event.transport.lane)
    assert len(lanes) == 8
    assert all(len(found) == 1 for found in lanes.values())


async def test_both_ends_say_the_same_number_of_lanes(name: str) -> None:
    await sink(name, lanes=2)
    with pytest.raises(ConfigError, match="2 lane"):
        await source(name, lanes=3)
    other = MemorySource(SourceSettings(name=name), Context())
    assert [finding.level for finding in await other.check()] == [Level.FAILED]


async def test_delivered_is_kept_by_bridge_and_lane(name: str) -> None:
    writer = await sink(name)
    await writer.write(numbered(2), spans_of(numbered(2), "orders/0", first=5))
    assert await (await sink(name)).delivered("orders/0") == 7


@virtual_time
async def test_generates_orders_at_its_rate_and_ends() -> None:
    name = uuid4().hex
    reader = await source(name, generate={"rate": "10/s", "count": 25})
    loop, ids = asyncio.get_running_loop(), list[str]()
    while len(ids) < 25:
        batch = await reader.read()
        ids += [event.id for event in batch.events]
        batch.ack()
    with pytest.raises(EndOfStream):
        await reader.read()
    assert ids == [f"{n:06}" for n in range(1, 26)]
    assert 2 < loop.time() < 3
    await reader.close()
    forget(name)

import asyncio

import pytest

from eventspan import EndOfStream, NotConnected, PartialWrite
from eventspan.testing import Collect, Script, numbered, spans_of


async def test_script_plays_its_lines() -> None:
    source = Script(numbered(2), NotConnected("cut"), numbered(1, 2))
    await source.connect()
    first = await source.read()
    with pytest.raises(NotConnected):
        await source.read()
    second = await source.read()
    second.ack()
    assert source.committed == 0
    first.ack()
    assert source.committed == 3
    assert [event.id for event in source.acked] == ["2", "0", "1"]
    with pytest.raises(EndOfStream):
        await source.read()


async def test_script_waits_for_its_cue() -> None:
    gate = asyncio.Event()
    source = Script(gate, numbered(1))
    await source.connect()
    read = asyncio.create_task(source.read())
    await asyncio.sleep(0)
    assert not read.done()
    gate.set()
    assert len((await read).events) == 1


async def test_collect_follows_its_cues() -> None:
    sink = Collect(NotConnected("cut"))
    sink.cue(sink.ambiguous(NotConnected("reply lost")), sink.refuse(["3"], NotConnected("busy")), sink.hold)
    with pytest.raises(NotConnected):
        await sink.write(numbered(1), [])
    with pytest.raises(NotConnected):
        await sink.write(numbered(1, 1), [])
    with pytest.raises(PartialWrite) as partial:
        await sink.write(numbered(3, 2), [])
    assert list(partial.value.failures) == [1]
    durable = await sink.write(numbered(1, 5), spans_of(numbered(1, 5)))
    assert sink.ids == ["1", "2", "4"]
    sink.held[-1].set_result(None)
    assert durable is not None
    await durable
    assert sink.ids == ["1", "2", "4", "5"]


async def test_collect_fails_later() -> None:
    sink = Collect()
    sink.cue(sink.later(PartialWrite({1: NotConnected("busy")})))
    durable = await sink.write(numbered(2), [])
    assert durable is not None
    with pytest.raises(PartialWrite):
        await durable
    assert sink.ids == ["0"]

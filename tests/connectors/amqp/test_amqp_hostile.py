"""Brokers that send what no broker sends, and what a real one says to what it does not expect."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pamqp import commands, frame

from eventspan import Context, Event, Halted, NotConnected, PartialWrite, Rejected
from eventspan.event import Transport
from eventspan.testing.events import numbered, spans_of
from eventspan_connectors.amqp import connector
from eventspan_connectors.amqp.settling import ack_frame
from harness.rabbitmq import RabbitAddress

assert connector.source is not None
assert connector.sink is not None
SOURCE, SINK = connector.source, connector.sink
ANSWERS: dict[str, Any] = {
    "Connection.StartOk": commands.Connection.Tune(2047, 131072, 60),
    "Connection.Open": commands.Connection.OpenOk(),
    "Channel.Open": commands.Channel.OpenOk(),
    "Confirm.Select": commands.Confirm.SelectOk(),
    "Basic.Qos": commands.Basic.QosOk(),
    "Basic.Consume": commands.Basic.ConsumeOk("tag"),
    "Connection.Close": commands.Connection.CloseOk(),
    "Channel.Close": commands.Channel.CloseOk(),
}


class Broker:
    """Speaks just enough to be connected to, and then says ``words`` when it sees ``cue``."""

    def __init__(self, cue: str, words: bytes, **abilities: bool) -> None:
        self._cue = cue
        self._words = words
        self._abilities = {"basic.nack": True, "publisher_confirms": True, **abilities}

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        properties: Any = {"capabilities": self._abilities}
        start = commands.Connection.Start(0, 9, properties, "PLAIN", "en_US")
        await reader.readexactly(8)
        writer.write(self._words if self._cue == "AMQP" else frame.marshal(start, 0))
        data = b""
        while piece := await reader.read(65536):
            data += piece
            data = self._answer(data, writer)
        writer.close()

    def _answer(self, data: bytes, writer: asyncio.StreamWriter) -> bytes:
        while len(data) >= 8 and len(data) >= 8 + struct.unpack_from(">I", data, 3)[0]:
            size, channel, said = frame.unmarshal(data)
            data = data[size:]
            if said.name in ANSWERS:
                writer.write(frame.marshal(ANSWERS[said.name], channel))
            if said.name == self._cue:
                writer.write(self._words)
        return data


@asynccontextmanager
async def broker(cue: str, words: bytes, **abilities: bool) -> AsyncIterator[str]:
    server = await asyncio.start_server(Broker(cue, words, **abilities), "127.0.0.1", 0)
    try:
        yield f"amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


def source(url: str, **more: Any) -> Any:
    return SOURCE.build(SOURCE.settings(url=url, queue="q", **more), Context())


async def read_all(end: Any) -> None:
    await end.connect()
    while True:
        await end.read()


def part(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, 1, len(payload)) + payload + b"\xce"


def deliver(tag: int) -> bytes:
    return part(1, b"\x00\x3c\x00\x3c\x03tag" + struct.pack(">QB", tag, 0) + b"\x00\x01q")


def content(size: int, header: bytes = b"\0\0") -> bytes:
    return part(2, struct.pack(">HHQ", 60, 0, size) + header)


HOSTILE = {
    "two gigabytes": b"\x01\x00\x01\x7f\xff\xff\xff\0",
    "negative length": b"\x01\x00\x01\xff\xff\xff\xff\0",
    "a body of two gigabytes": deliver(1) + content(2**31) + b"\x03\x00\x01\x7f\xff\xff\xff\0",
    "more body than announced": deliver(1) + content(1) + part(3, b"xx"),
    "a body before its header": deliver(1) + part(3, b"x"),
    "no end of frame": deliver(1)[:-1] + b"\0" * 9,
    "a method cut short": part(1, b"\x00\x3c"),
    "a delivery cut short": part(1, b"\x00\x3c\x00\x3c\xff"),
    "an unknown method": part(1, b"\x00\xff\x00\xff"),
    "an unknown frame": part(9, b"x"),
    "tags out of sequence": deliver(5) + content(1) + part(3, b"x"),
    "a tag twice": (deliver(1) + content(1) + part(3, b"x")) * 2,
}


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
async def test_a_reader_leaves_a_broker_that_makes_no_sense(words: bytes) -> None:
    """Within a second, as a lost connection: another one may be fine."""
    async with broker("Basic.Consume", words) as url:
        end = source(url)
        before = time.monotonic()
        with pytest.raises(NotConnected):
            await asyncio.wait_for(read_all(end), 5)
        assert time.monotonic() - before < 1
        await end.close()


async def test_a_content_header_that_makes_no_sense_is_a_bad_record() -> None:
    """The frames are fine, so the next message is too."""
    good = deliver(2) + content(1, b"\x10\x00\x02") + part(3, b"y")
    async with broker("Basic.Consume", deliver(1) + content(1, b"\xff\xff") + part(3, b"x") + good) as url:
        end = source(url, invalid="opaque")
        await end.connect()
        events: list[Event] = []
        async with asyncio.timeout(5):
            while len(events) < 2:
                events += (await end.read()).events
        assert [event.transport.body for event in events] == [b"x", b"y"]
        assert all(event.opaque for event in events)
        await end.close()


@pytest.mark.parametrize("words", [b"\x01\x00\x00\x7f\xff\xff\xff", b"\x01\x00\x00\xff\xff\xff\xff", b"\x01"])
async def test_a_greeting_that_makes_no_sense_is_given_up(words: bytes) -> None:
    async with broker("AMQP", words) as url:
        end = source(url, connect_timeout="500ms")
        with pytest.raises(NotConnected):
            await asyncio.wait_for(end.connect(), 5)
        await end.close()


def confirm(tag: int, *, multiple: bool = False) -> bytes:
    return frame.marshal(commands.Basic.Ack(tag, multiple), 1)


@pytest.mark.parametrize("words", [confirm(0), confirm(7), confirm(7, multiple=True), confirm(2**63 - 1)])
async def test_a_confirm_of_what_was_never_sent_confirms_nothing(words: bytes) -> None:
    async with broker("Basic.Publish", words) as url:
        end: Any = SINK.build(SINK.settings(url=url, routing_key="q"), Context())
        await end.connect()
        async with asyncio.timeout(5):
            with pytest.raises(NotConnected, match="never sent"):
                await (await end.write(numbered(1), spans_of(numbered(1))))
        await end.close()


async def test_a_broker_that_confirms_nothing_halts() -> None:
    async with broker("", b"", publisher_confirms=False) as url:
        end = SINK.build(SINK.settings(url=url, routing_key="q"), Context())
        with pytest.raises(Halted, match="publisher_confirms"):
            await end.connect()
        await end.close()


async def test_confirms_that_come_twice_change_nothing() -> None:
    async with broker("Basic.Publish", confirm(1) * 3) as url:
        end: Any = SINK.build(SINK.settings(url=url, routing_key="q"), Context())
        await end.connect()
        async with asyncio.timeout(5):
            await (await end.write(numbered(1), spans_of(numbered(1))))
        await end.close()


async def test_what_the_broker_finds_too_large_is_refused_the_next_time() -> None:
    """RabbitMQ closes the channel for it, and would again."""
    text = "PRECONDITION_FAILED - message size 200 is larger than configured max size 100"
    words = frame.marshal(commands.Channel.Close(406, text, 60, 40), 1)
    async with broker("Basic.Publish", words) as url:
        end: Any = SINK.build(SINK.settings(url=url, routing_key="q"), Context())
        events = numbered(1, data=b"x" * 200)
        async with asyncio.timeout(5):
            await end.connect()
            with pytest.raises(NotConnected):
                await (await end.write(events, spans_of(events)))
            await end.connect()
            with pytest.raises(PartialWrite) as raised:
                await end.write(events, spans_of(events))
        assert isinstance(raised.value.failures[0], Rejected)
        await end.close()


@pytest.mark.broker("rabbitmq")
@pytest.mark.parametrize("tag", [1, 99])
async def test_an_acknowledgement_the_broker_does_not_expect(
    rabbitmq: RabbitAddress, place: str, tag: int
) -> None:
    """Twice, or of an unknown tag: it closes the channel, and what was not settled comes again."""
    url = rabbitmq.url
    sink: Any = SINK.build(SINK.settings(url=url, routing_key=place, declare={"type": "classic"}), Context())
    await sink.connect()
    await (await sink.write(numbered(2), spans_of(numbered(2))))
    await sink.close()
    end: Any = SOURCE.build(SOURCE.settings(url=url, queue=place), Context())
    await end.connect()
    async with asyncio.timeout(20):
        batch = await end.read()
        while len(batch.events) < 2:
            batch = await end.read()
        end._send(ack_frame(end._channel, tag, multiple=False) * 2)
        with pytest.raises(NotConnected, match="unknown delivery tag"):
            await end.read()
        await end.connect()
        again = await end.read()
        assert again.events[-1].id == "1"
        again.ack()
    await end.close()


@pytest.mark.broker("rabbitmq")
async def test_destinations_the_protocol_has_no_room_for_are_refused(
    rabbitmq: RabbitAddress, place: str
) -> None:
    url = rabbitmq.url
    sink: Any = SINK.build(SINK.settings(url=url, routing_key=place, declare={"type": "classic"}), Context())
    await sink.connect()
    events = numbered(6)
    targets = [("", place), ("", "k" * 256), ("a\0b", "k"), ("e" * 256, "k"), ("", "é" * 128), ("", place)]
    for event, target in zip(events, targets, strict=True):
        event.destination = target
    with pytest.raises(PartialWrite) as raised:
        await (await sink.write(events, spans_of(events)))
    assert {n: type(error) for n, error in raised.value.failures.items()} == dict.fromkeys(
        range(1, 5), Rejected
    )
    await sink.close()


@pytest.mark.broker("rabbitmq")
async def test_headers_of_every_kind_go_through_a_broker(rabbitmq: RabbitAddress, place: str) -> None:
    """Also a history of dead letters that has grown, and headers larger than a frame are refused alone."""
    url = rabbitmq.url
    death = [{"queue": f"q{n}", "count": 2**40 + n, "routing-keys": ["a", "b"]} for n in range(100)]
    headers = [("x-death", death), ("big", 2**62), ("f", 1.5), ("raw", b"\xff"), ("none", None), ("t", True)]
    carried = [*numbered(1), *numbered(1, 1), *numbered(1, 2)]
    carried[0] = Event.new(carried[0].attributes, b"x", Transport(headers=headers))
    carried[1] = Event.new(carried[1].attributes, b"x", Transport(headers=[("a", "x" * 200_000)]))
    sink: Any = SINK.build(SINK.settings(url=url, routing_key=place, declare={"type": "classic"}), Context())
    await sink.connect()
    with pytest.raises(PartialWrite) as raised:
        await (await sink.write(carried, spans_of(carried)))
    assert {n: type(error) for n, error in raised.value.failures.items()} == {1: Rejected}
    await sink.close()
    end: Any = SOURCE.build(SOURCE.settings(url=url, queue=place), Context())
    await end.connect()
    events: list[Event] = []
    async with asyncio.timeout(20):
        while len(events) < 2:
            batch = await end.read()
            events += batch.events
            batch.ack()
    await end.close()
    assert [pair for pair in events[0].transport.headers if not pair[0].startswith("ce-")] == headers

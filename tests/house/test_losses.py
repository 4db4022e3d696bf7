"""What Kafka and RabbitMQ have no place for, as their connectors declare it."""

from datetime import UTC, datetime

import pytest

from eventspan import Event, Transport
from eventspan_connectors.amqp import codec
from eventspan_connectors.amqp.binding import AmqpBinding, transport_of
from eventspan_connectors.amqp.messages import Writer
from eventspan_connectors.kafka import binding as kafka
from eventspan_connectors.kafka.binding import KafkaBinding

ATTRIBUTES = {"id": "1", "source": "/shop", "type": "t"}
NAMES = (
    "content_encoding", "priority", "correlation_id", "reply_to", "expiration", "message_id", "type",
    "app_id",
)  # fmt: skip


def _in_amqp(event: Event) -> Transport:
    """The message a sink makes of an event, as a source reads it."""
    header, body = Writer().encode(event)
    return transport_of(header, body, Transport())


def _on_the_wire(event: Event) -> dict[str, object]:
    return dict(codec.decode(Writer().encode(event)[0])[0])


def _from_kafka(**transport: object) -> Event:
    headers = [
        ("ce_specversion", b"1.0"),
        *((f"ce_{name}", value.encode()) for name, value in ATTRIBUTES.items()),
    ]
    headers += transport.pop("headers", [])  # type: ignore[arg-type] # pairs
    return Event(Transport("orders", headers=headers, **transport), KafkaBinding())  # type: ignore[arg-type] # fields


def test_key_and_milliseconds_travel_in_headers_and_come_back() -> None:
    event = _from_kafka(key=b"\xffk", timestamp=1_700_000_000_123, body=b"{}")
    wire = _on_the_wire(event)
    assert (wire["eventspan-key"], wire["eventspan-timestamp"]) == (b"\xffk", 1_700_000_000_123)
    back = _in_amqp(event)
    assert (back.key, back.timestamp) == (b"\xffk", 1_700_000_000_123)


@pytest.mark.parametrize("data", [None, b"", b"x"])
def test_empty_data_is_not_absent_data(data: bytes | None) -> None:
    event = _from_kafka(body=data)
    assert ("eventspan-empty" in _on_the_wire(event)) == (data == b"")
    assert Event(_in_amqp(event), AmqpBinding()).data == data


@pytest.mark.parametrize("name", ["x-death", "CC", "BCC"])
def test_headers_that_mean_something_to_the_broker_are_renamed_and_restored(name: str) -> None:
    event = _from_kafka(headers=[(name, b"v")])
    assert _on_the_wire(event)["eventspan-header-" + name] == "v"
    back = Event(_in_amqp(event), AmqpBinding())
    assert (name, b"v") in kafka.binary(back)[0]


@pytest.mark.parametrize("value", [b"text", b"\xff\x00", b""])
def test_header_values_keep_their_bytes_on_the_way_back(value: bytes) -> None:
    back = Event(_in_amqp(_from_kafka(headers=[("h", value)])), AmqpBinding())
    assert ("h", value) in kafka.binary(back)[0]


def test_a_header_name_over_255_bytes_is_refused() -> None:
    with pytest.raises(codec.Unencodable):
        Writer().encode(_from_kafka(headers=[("h" * 256, b"v")]))


def test_amqp_headers_are_text_in_kafka_and_properties_stay_behind() -> None:
    moment = datetime(2026, 5, 4, tzinfo=UTC)
    own = [("n", 7), ("b", True), ("t", moment), ("m", {"a": 1})]
    table = codec.table(
        [(f"ce-{name}", value) for name, value in {"specversion": "1.0", **ATTRIBUTES}.items()] + own
    )
    values: dict[str, object] = dict.fromkeys(NAMES, "1")
    raw = codec.encode(table, {**values, "priority": 7})
    headers = dict(kafka.binary(Event(transport_of(raw, b"", Transport()), AmqpBinding()))[0])
    assert (headers["n"], headers["b"], headers["m"]) == (b"7", b"true", b'{"a": 1}')
    assert (headers["t"] or b"").startswith(b"2026-05-04T00:00:00")
    assert set(headers) == {"n", "b", "t", "m", *(f"ce_{name}" for name in ("specversion", *ATTRIBUTES))}


def test_a_typed_extension_is_text_until_the_source_is_told_its_type() -> None:
    headers, body = kafka.binary(Event.new({**ATTRIBUTES, "retries": 3, "final": True}))
    plain = Event(Transport(headers=headers, body=body), KafkaBinding())
    told = Event(
        Transport(headers=headers, body=body), KafkaBinding(types={"retries": "integer", "final": "boolean"})
    )
    assert (plain.attributes["retries"], plain.attributes["final"]) == ("3", "true")
    assert (told.attributes["retries"], told.attributes["final"]) == (3, True)

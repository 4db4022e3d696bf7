"""A dead letter is the record as it was read, whichever binding it came by, and says why beside it."""

from typing import Any

import pytest

from eventspan import Event, Transport, Undecodable
from eventspan.event import Binding
from eventspan_bridges.delivery.dead_letters import Failure, letter
from eventspan_connectors.amqp import codec
from eventspan_connectors.amqp.binding import AmqpBinding, transport_of
from eventspan_connectors.amqp.messages import Writer
from eventspan_connectors.kafka.binding import KafkaBinding

WHY = Failure(reason="no event", stage="read", side="source", bridge="b")


def message(headers: list[Any], body: bytes, **properties: Any) -> Transport:
    return transport_of(codec.encode(codec.table(headers), properties), body, Transport())


def in_amqp(event: Event) -> Transport:
    """The message an AMQP sink makes of an event."""
    header, body = Writer("auto").encode(event)
    return transport_of(header, body, Transport())


@pytest.mark.parametrize(
    ("transport", "binding"),
    [
        (Transport("t", headers=[("note", b"n")], body=b"no event"), KafkaBinding()),
        (message([("note", "n")], b"no event"), AmqpBinding()),
    ],
    ids=["kafka", "amqp"],
)
def test_what_is_no_event_is_written_to_any_broker(transport: Transport, binding: Binding) -> None:
    record = Event(transport, binding, Undecodable("no event"))
    written = in_amqp(letter(record, WHY, native=True))
    assert written.body == b"no event"
    assert dict(written.headers)["note"] == "n"
    assert dict(written.headers)["eventspan-dlq-reason"] == "no event"


def test_a_refused_message_keeps_its_properties_and_says_why() -> None:
    attributes = [(f"ce-{name}", name) for name in ("id", "source", "type")]
    headers = [("ce-specversion", "1.0"), *attributes, ("note", "n")]
    record = Event(message(headers, b"{}", content_type="application/json", priority=7), AmqpBinding())
    written = in_amqp(letter(record, WHY, native=True))
    assert written.headers[: len(headers)] == headers
    assert dict(written.headers)["eventspan-dlq-reason"] == "no event"
    assert written.properties is not None
    assert (written.properties["content_type"], written.properties["priority"]) == ("application/json", 7)
    assert Event(written, AmqpBinding()).datacontenttype == "application/json"


def test_a_refused_structured_message_stays_one() -> None:
    body = b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'
    record = Event(message([], body, content_type="application/cloudevents+json"), AmqpBinding())
    written = in_amqp(letter(record, WHY, native=True))
    assert written.body == body
    assert Event(written, AmqpBinding()).id == "1"

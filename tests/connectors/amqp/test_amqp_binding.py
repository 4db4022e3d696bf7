"""Events in AMQP 0-9-1 messages: golden bytes, and the nasty cases that touch RabbitMQ."""

from typing import Any

import pytest

from eventspan import Event, Transport, Undecodable
from eventspan.event import Value
from eventspan_connectors.amqp import codec
from eventspan_connectors.amqp.binding import AmqpBinding, transport_of
from eventspan_connectors.amqp.messages import Writer

REQUIRED: dict[str, Value] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def read(pairs: list[Any], body: bytes = b"", mode: Any = "auto", **properties: Any) -> Event:
    raw = codec.encode(codec.table(pairs), properties)
    return Event(transport_of(raw, body, Transport()), AmqpBinding(mode))


def prefixed(prefix: str, **more: Any) -> list[Any]:
    return [(prefix + name, value) for name, value in {**REQUIRED, **more}.items()]


def again(event: Event, **settings: Any) -> Event:
    header, body = Writer(**settings).encode(event)
    return Event(transport_of(header, body, Transport()), AmqpBinding())


def test_golden_message() -> None:
    event = Event.new({"id": "1", "source": "/s", "type": "t", "datacontenttype": "text/plain"}, b"hi")
    header, body = Writer().encode(event)
    assert body == b"hi"
    assert header == (
        b"\xb0\x00\x0atext/plain\x00\x00\x00\x42"
        b"\x0ece-specversionS\x00\x00\x00\x031.0"
        b"\x05ce-idS\x00\x00\x00\x011\x09ce-sourceS\x00\x00\x00\x02/s\x07ce-typeS\x00\x00\x00\x01t\x02"
    )


@pytest.mark.parametrize("prefix", ["ce-", "ce_", "cloudEvents_", "cloudEvents:"])
def test_every_prefix_is_read(prefix: str) -> None:
    assert read(prefixed(prefix)).attributes == REQUIRED


@pytest.mark.parametrize("prefix", ["ce-", "cloudEvents_", "cloudEvents:"])
def test_the_chosen_prefix_is_written(prefix: str) -> None:
    header, _ = Writer(prefix=prefix).encode(Event.new(REQUIRED))
    assert all(name.startswith(prefix) for name, _ in codec.decode(header)[0])


def test_two_prefixes_agree_or_the_message_is_no_event() -> None:
    assert read([*prefixed("ce-"), ("cloudEvents_id", "1")]).id == "1"
    with pytest.raises(Undecodable, match="'id' is there twice"):
        _ = read([*prefixed("ce-"), ("cloudEvents:id", "2")]).attributes


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (7, 7),
        (True, True),
        ("007", "007"),
        (codec.Binary(b"\xfb\xff"), b"\xfb\xff"),
        (codec.Binary(b"x" * 300), "x" * 300),
    ],
)
def test_values_have_cloudevents_types(raw: Any, value: Value) -> None:
    assert read(prefixed("ce-", ext=raw)).attributes["ext"] == value


@pytest.mark.parametrize("raw", [1.5, 2**31, [1], {"a": 1}])
def test_other_values_are_no_attribute(raw: Any) -> None:
    with pytest.raises(Undecodable, match="ext"):
        _ = read(prefixed("ce-", ext=raw)).attributes


def test_known_types_are_given_back_to_text() -> None:
    event = read(prefixed("ce-", sampledrate="10", deprecated="true", n="5"))
    assert {"sampledrate": 10, "deprecated": True, "n": "5"}.items() <= event.attributes.items()


def test_native_timestamps_become_text() -> None:
    raw = codec.encode(codec.table(prefixed("ce-")) + b"\x07ce-timeT\x00\x00\x01\x62\x96\x6e\xb3\x9b", {})
    event = Event(transport_of(raw, b"", Transport()), AmqpBinding())
    assert event.time == "2018-04-05T15:31:00.123Z"


def test_long_source_that_is_no_text_is_no_event() -> None:
    with pytest.raises(Undecodable, match="source"):
        _ = read([*prefixed("ce-")[:2], ("ce-type", "t"), ("ce-source", codec.Binary(b"\xff" * 300))]).id


def test_no_data_and_empty_data_are_told_apart() -> None:
    assert again(Event.new(REQUIRED, None)).data is None
    assert again(Event.new(REQUIRED, b"")).data == b""
    assert again(Event.new(REQUIRED, b"\0")).data == b"\0"


@pytest.mark.parametrize("timestamp", [0, 1234, 5000, -1, 2**53])
def test_key_and_time_are_carried_unseen(timestamp: int) -> None:
    came = again(Event.new(REQUIRED, b"", Transport(key=b"\xff\x00", timestamp=timestamp))).transport
    assert (came.key, came.timestamp) == (b"\xff\x00", timestamp)
    assert all(name.startswith("ce-") for name, _ in came.headers)


def test_headers_of_others_are_carried_and_mean_nothing_to_the_broker() -> None:
    headers = [
        ("x-request-id", b"1"),
        ("CC", b"q"),
        ("a", b"1"),
        ("a", None),
        ("b", b"\xff"),
        ("ce_id", b"9"),
    ]
    header, _ = Writer().encode(Event.new(REQUIRED, None, Transport(headers=headers)))
    names = [name for name, _ in codec.decode(header)[0]]
    assert not any(name.lower().startswith("x-") or name == "CC" for name in names)
    came = transport_of(header, b"", Transport()).headers
    assert [pair for pair in came if not pair[0].startswith("ce-")] == [
        ("x-request-id", "1"),
        ("CC", "q"),
        ("a", "1"),
        ("a", None),
        ("b", b"\xff"),
    ]


def test_untouched_messages_go_through_byte_for_byte() -> None:
    raw = codec.encode(codec.table([*prefixed("ce_"), ("x-a", 1)]), {"delivery_mode": 2, "message_id": "m"})
    event = Event(transport_of(raw, b"body", Transport()), AmqpBinding())
    assert Writer("auto").encode(event) == (raw, b"body")


def test_untouched_transient_messages_become_persistent_unless_told_otherwise() -> None:
    event = read(prefixed("ce-"), delivery_mode=1)
    assert codec.decode(Writer("auto").encode(event)[0])[1]["delivery_mode"] == 2
    assert codec.decode(Writer("auto", persistent=False).encode(event)[0])[1]["delivery_mode"] == 1


def test_what_the_broker_would_refuse_is_left_out() -> None:
    """Another user's name closes the channel; the delivery count belongs to the old queue."""
    event = read([*prefixed("ce-"), ("x-delivery-count", 3)], user_id="other", message_id="m")
    assert event.transport.deliveries == 4
    headers, properties = codec.decode(Writer("auto", user="me").encode(event)[0])
    assert "user_id" not in properties
    assert properties["message_id"] == "m"
    assert headers == prefixed("ce-")


def test_changed_messages_keep_their_native_properties() -> None:
    event = read(prefixed("ce-"), b"x", correlation_id="c", priority=3, delivery_mode=2)
    changed = event.replace({**event.attributes, "subject": "new"})
    assert {"correlation_id": "c", "priority": 3}.items() <= (
        again(changed).transport.properties or {}
    ).items()
    assert again(changed).subject == "new"


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json", "Application/CloudEvents+JSON; a=b"]
)
def test_structured_messages_win_over_headers(content_type: str) -> None:
    body = b'{"specversion":"1.0","id":"2","source":"/s","type":"t","data":{"x":1e400}}'
    event = read(prefixed("ce-"), body, content_type=content_type)
    assert (event.id, event.data) == ("2", b'{"x":1e400}')


@pytest.mark.parametrize("kind", ["application/cloudevents-batch+json", "application/cloudevents+foo"])
def test_unreadable_formats_are_no_event(kind: str) -> None:
    with pytest.raises(Undecodable):
        _ = read(prefixed("ce-"), b"[]", content_type=kind).attributes


def test_content_type_wins_over_its_attribute() -> None:
    event = read(prefixed("ce-", datacontenttype="text/xml"), content_type="text/plain")
    assert event.datacontenttype == "text/plain"
    assert read(prefixed("ce-", datacontenttype="text/xml")).datacontenttype == "text/xml"


def test_structured_mode_goes_there_and_back() -> None:
    event = Event.new({**REQUIRED, "datacontenttype": "application/json"}, b'{ "a":1 }')
    assert again(event, envelope="structured") == event


def test_opaque_records_keep_body_and_headers() -> None:
    opaque = Event(Transport(headers=[("ce_id", b"\xff"), ("n", 1)], body=b"\0raw"))
    came = again(opaque).transport
    assert (came.headers, came.body) == ([("ce_id", b"\xff"), ("n", 1)], b"\0raw")


@pytest.mark.parametrize(
    "text", [{"sampledrate": "abc"}, {"deprecated": "TRUE"}, {"severitynumber": "1.5"}, {"dssematerial": "?"}]
)
def test_text_that_is_not_of_its_type_stays_text(text: dict[str, str]) -> None:
    event = read(prefixed("ce-", **text))
    assert text.items() <= event.attributes.items()
    assert text.items() <= again(event.replace()).attributes.items()


class Unread:
    """A binding of another protocol, which must not be asked."""

    name = "kafka"

    def decode(self, transport: Transport) -> Any:
        raise AssertionError("nobody may look at the attributes")


KAFKA = Transport(
    "orders", "orders:0", 7, b"\xffkey",
    [("ce_id", b"1"), ("a", b"\xff\x00"), ("a", None), ("content-type", b"x/y")],
    b"\0raw", 1_700_000_000_123,
)  # fmt: skip


@pytest.mark.parametrize("envelope", ["auto", "binary", "structured"])
@pytest.mark.parametrize("event", [Event(KAFKA), Event(KAFKA, Unread(), Undecodable("no event"))])
def test_records_that_are_no_events_are_written_as_they_are(event: Event, envelope: Any) -> None:
    came = again(event, envelope=envelope).transport
    assert came.headers == [("ce_id", "1"), ("a", b"\xff\x00"), ("a", None), ("content-type", "x/y")]
    assert (came.body, came.key, came.timestamp) == (b"\0raw", b"\xffkey", 1_700_000_000_123)


def test_the_body_alone_is_written_where_that_is_wanted() -> None:
    assert Writer("raw").encode(Event(KAFKA, Unread(), Undecodable("no event")))[1] == b"\0raw"


def test_opaque_messages_go_through_byte_for_byte() -> None:
    raw = codec.encode(
        codec.table([("b", codec.Binary(b"x"))]) + b"\x01tS\0\0\0\x01\xff", {"delivery_mode": 2}
    )
    assert Writer("auto").encode(Event(transport_of(raw, b"body", Transport()))) == (raw, b"body")


@pytest.mark.parametrize("raw", [b"", b"\xff"])
def test_a_broken_content_header_is_refused(raw: bytes) -> None:
    with pytest.raises(codec.Unencodable):
        Writer("auto").encode(Event(Transport(properties={"content_header": raw}), AmqpBinding()))

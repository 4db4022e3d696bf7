"""Messages of known shapes are read as if each were the first one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventspan import Undecodable
from eventspan.event import Event, Transport
from eventspan_connectors.amqp import codec
from eventspan_connectors.amqp.binding import AmqpBinding, transport_of
from eventspan_connectors.amqp.config import AmqpSource
from eventspan_connectors.amqp.frames import Delivery
from eventspan_connectors.amqp.records import Maker
from eventspan_connectors.amqp.shapes import Rows

REQUIRED = {"ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0"}
VALUES = st.sampled_from(
    ["1", "a|b", "x\ty", "é", "", "1.0", "10", "abc", "2024-01-01T00:00:00Z", "y" * 300, 7, None]
)
EXTRAS = st.sampled_from(
    [
        "ce-subject", "ce-time", "cloudEvents_ext", "ce-EXT", "ce-sampledrate", "ce-a_b", "other", "ce-id",
        "x-delivery-count", "eventspan-key", "eventspan-header-x-a", "ce-datacontenttype",
    ]
)  # fmt: skip
HEADERS = st.tuples(
    st.fixed_dictionaries({name: VALUES for name in REQUIRED}) | st.just(REQUIRED),
    st.lists(st.tuples(EXTRAS, VALUES), max_size=3),
).map(lambda found: [*found[0].items(), *found[1]])
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "content_type": st.sampled_from(["application/json", "no media", "application/cloudevents+json", ""]),
        "delivery_mode": st.sampled_from([1, 2]),
        "timestamp": st.just(5),
        "message_id": st.just("m"),
    },
)


def delivery(headers: list[tuple[str, Any]], properties: dict[str, Any], body: bytes = b"x") -> Delivery:
    return 1, 0, b"\x01e\x01k", codec.encode(codec.table(headers), properties), body


def seen(event: Event) -> Any:
    """Everything an event says, or why it says nothing."""
    transport = event.transport
    native = ([*transport.headers], transport.key, transport.timestamp, transport.body, transport.deliveries)
    try:
        return native, transport.properties, event.attributes, event.data
    except Undecodable as error:
        return native, transport.properties, str(error)


def alone(raw: bytes, body: bytes) -> Any:
    return seen(Event(transport_of(raw, body, Transport()), AmqpBinding()))


@given(st.lists(st.tuples(HEADERS, PROPERTIES), max_size=12))
def test_messages_are_read_as_if_alone(messages: list[tuple[list[tuple[str, Any]], dict[str, Any]]]) -> None:
    deliveries = [delivery(*message) for message in messages]
    maker = Maker(AmqpSource(queue="q"))
    events = maker.events(deliveries * 2)
    assert [seen(event) for event in events] == [alone(each[3], each[4]) for each in deliveries * 2]


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(0, 60))
def test_broken_content_headers_of_a_known_length_are_no_events(noise: list[bytes], at: int) -> None:
    good = delivery(list(REQUIRED.items()), {"delivery_mode": 2})
    maker = Maker(AmqpSource(queue="q"))
    assert maker.events([good])[0].fault is None
    for each in noise:
        bad = (good[3][:at] + each + good[3][at + len(each) :])[: len(good[3])]
        (event,) = maker.events([(1, 0, good[2], bad, b"x")])
        try:
            expected = alone(bad, b"x")
        except Undecodable:
            assert event.fault is not None
        else:
            assert seen(event) == expected


def rows(maker: Maker, **more: str) -> Event:
    headers = list({**REQUIRED, **more}.items())
    (event,) = maker.events([delivery(headers, {"content_type": "text/plain", "delivery_mode": 2})])
    return event


def test_the_second_of_a_shape_is_known() -> None:
    maker = Maker(AmqpSource(queue="q"))
    rows(maker, other="1")
    event = rows(maker, other="2")
    found = event.transport.headers
    assert isinstance(found, Rows)
    assert (found[-1], len(found), found[4:]) == (("other", "2"), 5, [("other", "2")])
    assert found == [*REQUIRED.items(), ("other", "2")]
    assert event.attributes == {
        "id": "1", "source": "/s", "type": "t", "specversion": "1.0", "datacontenttype": "text/plain"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["ce-time", "ce-dataschema"])
def test_rules_of_single_values_hold_for_known_shapes(name: str) -> None:
    """What is wrong with an optional attribute shows where it is looked at."""
    good = {"ce-time": "2024-01-01T00:00:00Z", "ce-dataschema": "urn:a:b"}[name]
    maker = Maker(AmqpSource(queue="q"))
    rows(maker, **{name: good})
    event = rows(maker, **{name: "?" * len(good)})
    assert event.fault is None
    with pytest.raises(Undecodable, match=name[3:]):
        _ = event.attributes


def test_changing_lengths_are_learned_a_few_times_only() -> None:
    maker = Maker(AmqpSource(queue="q"))
    for n in range(200):
        event = rows(maker, **{"ce-a": "x" * n, "ce-b": "x" * (200 - n)})
        assert event.attributes["b"] == "x" * (200 - n)
    assert sum(map(len, maker._shapes._known.values())) == 8

"""Events nobody has looked at are written down as those somebody has looked at."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventspan.errors import Rejected, Undecodable
from eventspan.event import Binding, Event, Transport
from eventspan_connectors.amqp import codec, messages
from eventspan_connectors.amqp.config import AmqpSource
from eventspan_connectors.amqp.records import Maker
from eventspan_connectors.kafka.binding import KafkaBinding
from eventspan_connectors.kafka.config import KafkaSink
from eventspan_connectors.kafka.messages import Writer as KafkaWriter

Texts: TypeAlias = Sequence[tuple[str, str]]

REQUIRED = (("specversion", "1.0"), ("id", "1"), ("source", "/s"), ("type", "t"))
NAMES = (
    "subject", "time", "dataschema", "partitionkey", "ext", "EXT", "sampledrate", "a_b", "datacontenttype",
    "specversion", "id",
)  # fmt: skip
VALUES = (
    "1", "a|b", "x\ty", "é", "", "2.0", "urn:a:b", "not uri", "2024-01-01T00:00:00Z", "2024-13-01T00:00:00Z",
    "y" * 300,
)  # fmt: skip
OTHERS = ("other", "eventspan-x", "CloudEvents_ext", "x-delivery-count", "content-type")
MEDIA = (None, "application/json", "no media", "application/cloudevents+json", "", "x" * 300)

KEYS = ("transport", "partitionkey", "subject", "source_id", "none")
WRITERS: dict[str, Callable[[Event], Any]] = {
    **{
        f"kafka-{key}": KafkaWriter(KafkaSink(servers=["h:1"], topic="t", key_from=key)).encode
        for key in KEYS
    },
    "amqp": messages.Writer("binary").encode,
    "amqp-auto": messages.Writer("auto").encode,
}


class Careful:
    """A binding that always has to look."""

    def __init__(self, binding: Binding) -> None:
        self.name = binding.name
        self.decode = binding.decode


def written(write: Callable[[Event], Any], event: Event) -> Any:
    """What a writer makes of an event, or why it makes nothing."""
    try:
        return write(event)
    except (Undecodable, Rejected, codec.Unencodable) as error:
        return type(error), str(error)


def compare(event: Event) -> None:
    """Fail unless every writer writes an event in the same way whether it is looked at or not."""
    assert event.binding is not None
    careful = Event(event.transport, Careful(event.binding), event.fault)
    for name, write in WRITERS.items():
        event.decoded = careful.decoded = None
        assert written(write, event) == written(write, careful), name


def innocent(name: str, value: str) -> str:
    """A valid value as long as another."""
    size = len(value.encode())
    known = {("time", 20): "2024-01-01T00:00:00Z", ("dataschema", 7): "urn:x:y", ("specversion", 3): "1.0"}
    return known.get((name, size), "y" * size)


def from_kafka(attributes: Texts, others: Texts, media: str | None) -> None:
    """Records under a binding that has seen nothing, and under one that knows names and content type."""
    binding = KafkaBinding()
    good = [(name, innocent(name, value)) for name, value in attributes]
    for found in (attributes, good, REQUIRED, attributes):
        headers = [(f"ce_{name}", value.encode()) for name, value in found]
        headers += [(name, value.encode()) for name, value in others]
        headers += [] if media is None else [("content-type", media.encode())]
        compare(Event(Transport("t", "t:0", 1, b"k", headers, b"x", 1_795_279_214_523), binding))


def from_amqp(attributes: Texts, others: Texts, media: str | None) -> None:
    """Messages of a shape that has not been seen, and of one that has, with other values."""
    maker = Maker(AmqpSource(queue="q"))
    properties = {"delivery_mode": 2, **({} if media is None else {"content_type": media[:255]})}
    good = [(name, innocent(name, value)) for name, value in attributes]
    for found in (attributes, good, attributes):
        table = codec.table([*((f"ce-{name}", value) for name, value in found), *others])
        (event,) = maker.events([(1, 0, b"\x01e\x01k", codec.encode(table, properties), b"x")])
        compare(event)


ORIGIN = pytest.mark.parametrize("come", [from_kafka, from_amqp])
TEXTS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=3)


@ORIGIN
@pytest.mark.parametrize("media", MEDIA)
def test_one_rule_broken(come: Callable[..., None], media: str | None) -> None:
    for name, value in itertools.product(NAMES, VALUES):
        come([*(each for each in REQUIRED if each[0] != name), (name, value)], (), media)
        come([*REQUIRED, (name, value)], (), media)
    for missing in REQUIRED:
        come([each for each in REQUIRED if each is not missing], (), media)


@ORIGIN
@given(
    st.just(list(REQUIRED)) | st.lists(st.sampled_from(REQUIRED), max_size=4),
    TEXTS,
    st.lists(st.tuples(st.sampled_from(OTHERS), st.sampled_from(VALUES)), max_size=2),
    st.sampled_from(MEDIA),
)
def test_any_headers(
    come: Callable[..., None], required: Texts, more: Texts, others: Texts, media: str | None
) -> None:
    come([*required, *more], others, media)


@pytest.mark.parametrize("name", ["time", "dataschema", "ext"])
def test_only_what_needs_care_is_looked_at(name: str) -> None:
    value = {"time": "2024-01-01T00:00:00Z", "dataschema": "urn:a:b", "ext": "1"}[name]
    headers = [(f"ce_{n}", v.encode()) for n, v in [*REQUIRED, (name, value)]]
    binding = KafkaBinding()
    first, second = (Event(Transport(headers=headers, body=b"x"), binding) for _ in range(2))
    for event in (first, second):
        messages.Writer("auto").encode(event)
    assert first.decoded is not None, "its names were not known yet"
    assert (second.decoded is None) == (name != "dataschema")

"""An event is a value over its raw record, decoded when first looked at."""

import pytest

from eventspan.errors import Undecodable
from eventspan.event import Event, Transport, Value

REQUIRED: dict[str, Value] = {"id": "1", "source": "/s", "type": "t"}


class Counting:
    name = "counting"

    def __init__(self) -> None:
        self.calls = 0

    def decode(self, transport: Transport) -> tuple[dict[str, Value], bytes | None]:
        self.calls += 1
        return {"specversion": "1.0", **REQUIRED}, transport.body


def test_a_record_is_decoded_once_and_only_when_looked_at() -> None:
    binding = Counting()
    event = Event(Transport(body=b"x"), binding)
    assert binding.calls == 0
    assert (event.id, event.source, event.type, event.data) == ("1", "/s", "t", b"x")
    assert binding.calls == 1


def test_a_fault_is_raised_at_every_look() -> None:
    event = Event(Transport(), Counting(), Undecodable("broken"))
    for _ in range(2):
        with pytest.raises(Undecodable, match="broken"):
            _ = event.data


def test_a_record_without_binding_is_no_event() -> None:
    with pytest.raises(Undecodable, match="no CloudEvent"):
        _ = Event(Transport()).attributes


def test_new_adds_the_specversion_and_nothing_else() -> None:
    event = Event.new(REQUIRED)
    assert event.attributes == {"specversion": "1.0", **REQUIRED}
    assert event.data is None
    assert (event.subject, event.time, event.datacontenttype, event.dataschema) == (None,) * 4
    assert Event.new({**REQUIRED, "specversion": "0.3"}).attributes["specversion"] == "0.3"


def test_optional_attributes_are_text_as_written() -> None:
    texts = {
        "subject": "s",
        "time": "2018-04-05t17:31:00.000z",
        "datacontenttype": "A/B",
        "dataschema": "x:y",
    }
    event = Event.new({**REQUIRED, **texts})
    assert {name: getattr(event, name) for name in texts} == texts


def test_replace_copies_and_keeps_the_transport() -> None:
    event = Event(Transport(body=b"x"), Counting())
    changed = event.replace({**event.attributes, "subject": "new"})
    assert (changed.subject, changed.data, event.subject) == ("new", b"x", None)
    assert changed.transport is event.transport
    assert changed.binding is None


@pytest.mark.parametrize("data", [None, b"", b"y"])
def test_replace_tells_no_data_from_unchanged_data(data: bytes | None) -> None:
    event = Event.new(REQUIRED, b"x")
    assert event.replace(data=data).data == data
    assert event.replace().data == b"x"
    assert event.replace(data=data).attributes == event.attributes


def test_equality_is_of_attributes_and_data() -> None:
    event = Event.new(REQUIRED, b"", Transport(key=b"k"))
    assert event == Event.new(REQUIRED, b"", Transport(key=b"other"))
    assert event != Event.new(REQUIRED, None)
    assert event != Event.new({**REQUIRED, "id": "2"}, b"")
    assert event != "event"


def test_an_event_is_not_hashable() -> None:
    with pytest.raises(TypeError):
        hash(Event.new(REQUIRED))

"""Names, types and canonical text that every binding shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventspan import attributes
from eventspan.errors import Undecodable
from eventspan.event import Transport, Value

REQUIRED: dict[str, Value] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
@pytest.mark.parametrize("value", ["", None])
def test_required_attributes_are_there_and_not_empty(name: str, value: str | None) -> None:
    given = {key: text for key, text in REQUIRED.items() if key != name or value is not None}
    with pytest.raises(Undecodable, match=f"'{name}'"):
        attributes.check({**given, name: value} if value is not None else given)


@pytest.mark.parametrize("version", ["0.3", "1.1", "1"])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(Undecodable, match="specversion"):
        attributes.check({**REQUIRED, "specversion": version})


@pytest.mark.parametrize("name", ["a", "0", "knativekafkapartition", "a" * 200])
def test_good_names(name: str) -> None:
    attributes.check({**REQUIRED, name: "x"})


@pytest.mark.parametrize("name", ["", "my_ext", "MyExt", "data", "a-b", "é", "a\n", "٣", "data_base64"])
def test_bad_names(name: str) -> None:
    with pytest.raises(Undecodable, match="no attribute name"):
        attributes.check({**REQUIRED, name: "x"})


@pytest.mark.parametrize("value", ["", "€ 😀", True, -(2**31), 2**31 - 1, b"", b"\xff"])
def test_good_values(value: Value) -> None:
    attributes.check({**REQUIRED, "ext": value})


@pytest.mark.parametrize(
    "value",
    ["\n", "\x00", "\x7f", "\x9f", "\ud800", "\ufdd0", "\uffff", 2**31, -(2**31) - 1, 1.5, None, [], {}],
)
def test_bad_values(value: Value) -> None:
    with pytest.raises(Undecodable, match="'ext'"):
        attributes.check({**REQUIRED, "ext": value})


@pytest.mark.parametrize(
    "time",
    [
        "2018-04-05T17:31:00.123456789+02:00",
        "2016-12-31T23:59:60Z",
        "2018-04-05T17:31:00-00:00",
        "2018-04-05T17:31:00.000Z",
        "2018-04-05t17:31:00z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_good_times(time: str) -> None:
    attributes.check({**REQUIRED, "time": time})


@pytest.mark.parametrize(
    "time",
    [
        "2018-04-05T18:31Z",
        "2018-04-05T17:31:00+05",
        "2018-04-05T17:31:00+25:00",
        "2018-04-05T17:31:00",
        "2018-04-05 17:31:00Z",
        "2018-13-05T17:31:00Z",
        "2018-04-05T24:00:00Z",
        "10000-01-01T00:00:00Z",
        "2018-04-05T17:31:00.Z",
        "٢٠١٨-04-05T17:31:00Z",
        1522942260,
        "",
    ],
)
def test_bad_times(time: Value) -> None:
    with pytest.raises(Undecodable, match="'time'"):
        attributes.check({**REQUIRED, "time": time})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", ""),
        ("subject", 1),
        ("dataschema", "relative/path"),
        ("dataschema", ""),
        ("datacontenttype", "xyz"),
        ("datacontenttype", "a/b c"),
    ],
)
def test_bad_optional_attributes(name: str, value: Value) -> None:
    with pytest.raises(Undecodable, match=f"'{name}'"):
        attributes.check({**REQUIRED, name: value})


@pytest.mark.parametrize(
    "content_type",
    [
        "APPLICATION/JSON",
        "model/gltf+json",
        "application/vnd.foo_bar+json",
        "application/json ;charset=utf-8",
        "text/json",
    ],
)
def test_json_types(content_type: str) -> None:
    attributes.check({**REQUIRED, "datacontenttype": content_type})
    assert attributes.is_json(content_type)


@pytest.mark.parametrize(
    "content_type",
    ["application/json-seq", "application/x-ndjson", "application/jsonp", "application/geo+json-seq", "json"],
)
def test_other_types(content_type: str) -> None:
    assert not attributes.is_json(content_type)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("sampledrate", "10", 10),
        ("sampledrate", "-2147483648", -(2**31)),
        ("deprecated", "true", True),
        ("deprecated", "false", False),
        ("dssematerial", "+/8=", b"\xfb\xff"),
        ("unknown", "007", "007"),
        ("time", "2018-04-05T17:31:00Z", "2018-04-05T17:31:00Z"),
    ],
)
def test_known_text_gets_its_type(name: str, text: str, value: Value) -> None:
    found = attributes.typed(name, text)
    assert (found, type(found)) == (value, type(value))
    assert attributes.canonical(found) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sampledrate", "2147483648"),
        ("sampledrate", "007"),
        ("sampledrate", "-0"),
        ("sampledrate", "1.0"),
        ("sampledrate", "\u0661"),
        ("sampledrate", ""),
        ("deprecated", "True"),
        ("deprecated", "1"),
        ("dssematerial", "+/9="),
        ("dssematerial", "AA"),
        ("dssematerial", "A A="),
    ],
)
def test_text_that_is_no_canonical_form(name: str, text: str) -> None:
    with pytest.raises(Undecodable, match=f"'{name}'"):
        attributes.typed(name, text)


@given(st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.binary())
def test_canonical_text_leads_back(value: Value) -> None:
    kind = {bool: "boolean", int: "integer", bytes: "binary"}[type(value)]
    found = attributes.typed("x", attributes.canonical(value), {"x": kind})
    assert (found, type(found)) == (value, type(value))


def test_a_wrapped_record_is_the_same_at_every_replay() -> None:
    transport = Transport(address="orders", lane="orders/3", position=42, body=b"x")
    event = attributes.wrapped(transport, "text/plain")
    attributes.check(event.attributes)
    assert event == attributes.wrapped(transport, "text/plain")
    assert (event.id, event.source, event.data) == ("orders/3/42", "/orders", b"x")
    assert attributes.wrapped(transport, "nonsense").datacontenttype is None

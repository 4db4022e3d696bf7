"""Expressions: what they see, what they refuse, and that nothing takes them long."""

import time
from typing import Any

import pytest

from eventspan.errors import ConfigError, Rejected
from eventspan.event import Event, Transport, Value
from eventspan_bridges.expressions import ExpressionError, compile_condition, compile_expression
from eventspan_bridges.expressions.cel import MAX_LENGTH

JSON = "application/json"


def event(data: bytes | None = None, content_type: str | None = JSON, **extra: Value) -> Event:
    attributes: dict[str, Value] = {"id": "1", "source": "/shop", "type": "order.created", **extra}
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    return Event.new(attributes, data)


def value(text: str, given: Event | None = None) -> Any:
    return compile_expression(text).evaluate(given or event())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('event.type == "order.created"', True),
        ("has(event.subject)", False),
        ('event["source"]', "/shop"),
        ("size(event.data.items)", 2),
        ("event.data.amount > 4", True),
        ("event.sampledrate + 1", 8),
        ('timestamp(event.time) < timestamp("2026-01-02T00:00:00Z")', True),
        ("event.time", "2026-01-01T00:00:00.000000001+02:00"),
        ('"data" in event', True),
    ],
)
def test_it_sees_attributes_and_json_data(text: str, expected: object) -> None:
    given = event(b'{"amount":5,"items":[1,2]}', sampledrate="7", time="2026-01-01T00:00:00.000000001+02:00")
    assert value(text, given) == expected


@pytest.mark.parametrize(
    ("content_type", "data", "expected"),
    [("text/plain", b"hi", "hi"), (None, b"hi", b"hi"), ("image/png", b"\xff", b"\xff")],
)
def test_data_has_the_form_its_content_type_says(
    content_type: str | None, data: bytes, expected: object
) -> None:
    assert value("event.data", event(data, content_type)) == expected


def test_data_is_parsed_only_when_mentioned() -> None:
    broken = event(b'{"half', subject="s")
    assert value('event.subject + " data"', broken) == "s data"
    with pytest.raises(Rejected, match="datacontenttype"):
        value('event["da" + "ta"].x', broken)


def test_it_sees_the_transport() -> None:
    headers = (("a", b"1"), ("a", b"2"), ("raw", b"\xff"), ("list", [1]))
    native = Transport(address="orders", lane="orders/0", position=7, key=b"k", headers=headers, timestamp=5)
    given = Event.new({"id": "1", "source": "/s", "type": "t"}, None, native)
    assert value("transport.address + transport.key", given) == "ordersk"
    assert value("transport.headers", given) == {"a": "2", "raw": b"\xff"}
    assert value("transport.position + transport.timestamp", given) == 12
    assert value("has(transport.deliveries)", given) is False


@pytest.mark.parametrize(
    ("number", "expected"),
    [(2**63 - 1, 2**63 - 1), (2**64 - 1, 2**64 - 1), (2**64, float(2**64)), (-(2**70), float(-(2**70)))],
)
def test_integers_beyond_64_bits_are_doubles(number: int, expected: float) -> None:
    result = value("event.data.n", event(b'{"n":%d,"other":1}' % number))
    assert (type(result), result) == (type(expected), expected)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("event.type ==\n  )", 16),
        ("nobody.x", 6),
        ("transport.adress", 10),
        ("event.dataSchema", 6),
        ("().__class__", 1),
        ("[x for x in y]", 3),
        ("9" * 5000, 0),
        ("x" * (MAX_LENGTH + 1), MAX_LENGTH),
        ("(" * 4000 + "1" + ")" * 4000, None),
        ("+".join(["1"] * 4000), None),
        ("true ? 1 : " * 700 + "1", None),
        (" || ".join(["event.a"] * 10_000), MAX_LENGTH),
        ("'\ud800'", None),
    ],
)
def test_a_faulty_text_names_its_place_at_once(text: str, offset: int | None) -> None:
    began = time.perf_counter()
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    assert caught.value.offset == offset
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    "text",
    [
        "event.nope",
        "event.data.s.t",
        "event.data.s > 1",
        "9 * 9 * 9223372036854775807",
        "1 / 0",
        "timestamp(event.data.s)",
        "event.data.s.matches(event.data.bad)",
        "".join(f"[1,2,3,4,5,6,7,8,9].map({name}, " for name in "abcdefg") + "1" + ")" * 7,
        '"a".matches("(((a{100}){100}){100}){100}")',
    ],
)
def test_what_cannot_be_evaluated_is_rejected_without_content(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(Rejected) as caught:
        value(text, event(b'{"s":"SECRET","bad":"(SECRET"}'))
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - began < 1


def test_a_hostile_regex_is_linear() -> None:
    data = b'{"s":"' + b"a" * 100_000 + b'b"}'
    began = time.perf_counter()
    assert value("event.data.s.matches('^(a+)+$')", event(data)) is False
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("data", [b"[" * 200_000, b'{"a":' * 200_000, b"\xff", b"{}x", b'"\\ud800"'])
def test_hostile_data_is_rejected(data: bytes) -> None:
    with pytest.raises(Rejected):
        value("event.data.a", event(data))


@pytest.mark.parametrize(
    ("data", "content_type"),
    [(b'{"s":"a\\u0000b"}', JSON), (b'{"a\\u0000b":[1]}', JSON), (b"a\0b", "text/plain"), (b"a\0b", None)],
)
def test_a_zero_character_is_rejected_and_never_cuts_a_value(data: bytes, content_type: str | None) -> None:
    with pytest.raises(Rejected, match="zero character"):
        value("event.data", event(data, content_type))


def test_a_written_zero_that_is_none_is_fine() -> None:
    assert value("event.data.s", event(rb'{"s":"a\\u0000b"}')) == r"a\u0000b"


def test_headers_with_a_zero_byte_are_left_out() -> None:
    native = Transport(headers=(("n", b"\0\1"), ("t", "x")), key=b"\0k")
    given = Event.new({"id": "1", "source": "/s", "type": "t"}, None, native)
    assert value("transport.headers", given) == {"t": "x"}
    with pytest.raises(Rejected, match="zero character"):
        value("transport.key", given)


def test_a_condition_gives_true_or_false() -> None:
    assert compile_condition({"cel": "event.data.ok"}).test(event(b'{"ok":true}')) is True
    with pytest.raises(Rejected, match="neither true nor false"):
        compile_condition("event.data.ok").test(event(b'{"ok":"yes"}'))
    with pytest.raises(ExpressionError, match="true or false"):
        compile_condition("1 + 1")


@pytest.mark.parametrize("wrong", [{"cesql": "true"}, {"pattern": "x"}, {}, {"cel": 1}, 5, None])
def test_other_dialects_are_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError):
        compile_condition(wrong)

"""A record survives being text: every header value keeps its type."""

import math
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventspan import Rejected, Undecodable, record

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.text(st.characters(categories=["Cs", "L"])),
    st.binary(),
    st.datetimes().map(lambda time: time.replace(fold=0)),  # no header has one
    st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0)),
)
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=9)


@given(st.lists(st.tuples(st.text(), values)))
def test_headers_come_back(headers: list[tuple[str, Any]]) -> None:
    found = record.unpack_headers(record.pack_headers(headers))
    assert found == headers
    assert repr(found) == repr(headers)


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.booleans(), st.integers(), st.binary())))
def test_attributes_come_back(attributes: dict[str, Any]) -> None:
    assert record.unpack_attributes(record.pack_attributes(attributes)) == attributes


def test_not_a_number_stays_none() -> None:
    ((_, value),) = record.unpack_headers(record.pack_headers([("n", float("nan"))]))
    assert math.isnan(value)


@pytest.mark.parametrize("kind", [bytes, str, int, float])
def test_what_a_client_derives_from_a_type_is_that_type(kind: type[Any]) -> None:
    derived = type("Derived", (kind,), {})
    plain = kind(b"\xff") if kind is bytes else kind("7")
    assert record.unpack_headers(record.pack_headers([("a", derived(plain))])) == [("a", plain)]


def test_buffers_and_tuples_are_bytes_and_lists() -> None:
    sent = [("a", bytearray(b"x")), ("b", memoryview(b"y")), ("c", (1, b"z"))]
    assert record.unpack_headers(record.pack_headers(sent)) == [("a", b"x"), ("b", b"y"), ("c", [1, b"z"])]


def test_an_object_of_a_client_is_refused_in_headers_and_left_out_of_properties() -> None:
    with pytest.raises(Rejected, match="type object"):
        record.pack_headers([("x", object())])
    assert record.pack_properties({"a": 1, "b": object()}) == b'{"a":1}'
    assert record.pack_properties({"b": object()}) is None
    assert record.pack_properties(None) is None


@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_damaged_text_is_undecodable(text: bytes) -> None:
    for read in (record.unpack_headers, record.unpack_attributes):
        try:
            read(text)
        except Undecodable:
            continue


def test_why_it_is_a_dead_letter() -> None:
    headers = [("a", 1), ("eventspan-dlq-reason", "r"), ("eventspan-dlq-attempts", 2)]
    assert record.failure(headers) == b'{"reason":"r","attempts":2}'
    assert record.failure(headers[:1]) is None


def test_why_a_record_died_can_be_read_though_brokers_keep_it_as_bytes() -> None:
    headers = [("eventspan-dlq-reason", "größer".encode()), ("eventspan-dlq-lane", b"\xff")]
    assert record.failure(headers) == '{"reason":"größer","lane":{"b":"/w=="}}'.encode()

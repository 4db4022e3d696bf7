"""Tables and content headers: round trips, and bytes that are none."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventspan_connectors.amqp import codec

TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
NAME = st.text(st.characters(codec="utf-8"), max_size=60)
SCALAR = st.one_of(
    TEXT,
    st.booleans(),
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=300).map(codec.Binary),
    st.datetimes(datetime(1970, 1, 1), datetime(3000, 1, 1), timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=0)
    ),
)
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAME, inner, max_size=4), max_leaves=8
)
PAIRS = st.lists(st.tuples(NAME, VALUE), max_size=8)
SHORT = st.text(st.characters(codec="ascii"), max_size=255)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        **{
            name: SHORT
            for name in codec.PROPERTIES
            if name not in ("headers", "delivery_mode", "priority", "timestamp")
        },
        "delivery_mode": st.integers(0, 255),
        "priority": st.integers(0, 255),
        "timestamp": st.integers(0, 2**64 - 1),
    },
)


@given(PAIRS, PROPERTIES)
def test_what_is_encoded_is_decoded(pairs: list[Any], properties: dict[str, Any]) -> None:
    """Order and duplicates included."""
    assert codec.decode(codec.encode(codec.table(pairs), properties)) == (pairs, properties)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_malformed(raw: bytes) -> None:
    try:
        headers, properties = codec.decode(raw)
    except codec.Malformed:
        return
    assert isinstance(headers, list)
    assert isinstance(properties, dict)


@given(PAIRS, PROPERTIES, st.data())
def test_damage_is_malformed_or_decodes(pairs: list[Any], properties: dict[str, Any], data: Any) -> None:
    raw = bytearray(codec.encode(codec.table(pairs), properties))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    for damaged in (bytes(raw), cut):
        try:
            codec.decode(damaged)
        except codec.Malformed:
            continue


@given(PAIRS, PROPERTIES)
def test_persistence_changes_one_byte_and_nothing_else(pairs: list[Any], properties: dict[str, Any]) -> None:
    raw = codec.encode(codec.table(pairs), properties)
    assert codec.decode(codec.persistent(raw)) == (pairs, {**properties, "delivery_mode": 2})
    kept = codec.encode(codec.table(pairs), {**properties, "delivery_mode": 2})
    assert codec.persistent(kept) == kept


@given(PAIRS, PROPERTIES, NAME)
def test_a_header_is_cut_out_and_the_rest_stays(
    pairs: list[Any], properties: dict[str, Any], name: str
) -> None:
    raw = codec.encode(codec.table([*pairs, (name, 1), *pairs]), properties)
    kept = [pair for pair in pairs if pair[0] != name]
    assert codec.decode(codec.without(raw, name)) == ([*kept, *kept], properties)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"b\xff", -1),
        (b"B\xff", 255),
        (b"s\xff\xfe", -2),
        (b"u\xff\xfe", 65534),
        (b"I\xff\xff\xff\xff", -1),
        (b"i\xff\xff\xff\xff", 2**32 - 1),
        (b"D\x02\x00\x00\x00\x7b", "1.23"),
        (b"T\x00\x00\x01\x62\x96\x6e\xb3\x9b", datetime(2018, 4, 5, 15, 31, 0, 123000, UTC)),
        (b"A\x00\x00\x00\x03t\x01V", [True, None]),
    ],
)
def test_every_type_of_the_wire_is_read(raw: bytes, value: object) -> None:
    table = b"\x01k" + raw
    assert codec.decode(codec.encode(table, {}))[0] == [("k", value)]


def test_nesting_is_bounded() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(codec.Unencodable):
        codec.table([("k", deep)])
    raw = b"V"
    for _ in range(1000):
        raw = b"A" + codec.LONG(len(raw)) + raw
    with pytest.raises(codec.Malformed):
        codec.decode(codec.encode(b"\x01k" + raw, {}))


@pytest.mark.parametrize("value", [2**63, object(), "\ud800", float])
def test_what_has_no_place_is_refused(value: object) -> None:
    with pytest.raises(codec.Unencodable):
        codec.table([("k", value)])

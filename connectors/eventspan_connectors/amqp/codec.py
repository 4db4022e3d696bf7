"""AMQP 0-9-1 tables and content headers, to and from bytes.

Own code because the hot path needs it: a content header with five headers costs about
a microsecond here. Nothing is guessed: bytes that are no table raise ``Malformed``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from struct import Struct, error
from typing import Any

from eventspan.errors import Undecodable
from eventspan.event import Header

_DEPTH = 32
_MILLIS = 100_000_000_000
_BITS = {
    "content_type": 15, "content_encoding": 14, "headers": 13, "delivery_mode": 12, "priority": 11,
    "correlation_id": 10, "reply_to": 9, "expiration": 8, "message_id": 7, "timestamp": 6, "type": 5,
    "user_id": 4, "app_id": 3, "cluster_id": 2,
}  # fmt: skip
PROPERTIES = tuple(_BITS)
"""Names of the basic properties, in the order of the wire."""

LONG = Struct(">I").pack
SIZES = tuple(map(LONG, range(256)))
"""What ``LONG`` gives for most texts."""
_U32 = Struct(">I").unpack_from
_U64 = Struct(">Q")
_TYPED_SIZE = Struct(">BI").unpack_from
_NUMBERS: Mapping[int, Struct] = {
    ord(kind): Struct(">" + code)
    for kind, code in {
        "b": "b", "B": "B", "s": "h", "u": "H", "I": "i", "i": "I", "l": "q", "L": "q", "f": "f", "d": "d"
    }.items()
}  # fmt: skip


class Malformed(Undecodable):
    """Bytes that are no AMQP 0-9-1 table or content header."""


class Unencodable(ValueError):
    """A value that has no place in an AMQP 0-9-1 table or property."""


def decode(raw: bytes) -> tuple[list[Header], dict[str, Any]]:
    """Headers, duplicates included, and the other properties of a content header.

    ``raw`` begins with the property flags. Raises ``Malformed``.
    """
    try:
        return _decode(raw)
    except (IndexError, error, UnicodeDecodeError, RecursionError) as problem:
        raise Malformed("the content header is broken") from problem


def _decode(raw: bytes) -> tuple[list[Header], dict[str, Any]]:
    flags = raw[0] << 8 | raw[1]
    if flags & 3:
        raise Malformed("the content header has unknown properties")
    headers: list[Header] = []
    properties: dict[str, Any] = {}
    at = 2
    if flags & 0x8000:
        properties["content_type"], at = _short(raw, at)
    if flags & 0x4000:
        properties["content_encoding"], at = _short(raw, at)
    if flags & 0x2000:
        headers, at = _pairs(raw, at, 0)
    if flags & 0x1000:
        properties["delivery_mode"] = raw[at]
        at += 1
    if flags & 0x0FFC:
        at = _rare(raw, at, flags, properties)
    if at != len(raw):
        raise Malformed("the content header has another length than it says")
    return headers, properties


def _rare(raw: bytes, at: int, flags: int, properties: dict[str, Any]) -> int:
    for name in PROPERTIES[4:]:
        if not flags >> _BITS[name] & 1:
            continue
        if name == "priority":
            properties[name] = raw[at]
            at += 1
        elif name == "timestamp":
            properties[name] = _U64.unpack_from(raw, at)[0]
            at += 8
        else:
            properties[name], at = _short(raw, at)
    return at


def _short(raw: bytes, at: int) -> tuple[str, int]:
    stop = at + 1 + raw[at]
    text = raw[at + 1 : stop]
    if stop > len(raw):
        raise Malformed("a short string is cut off")
    return text.decode(), stop


_names: dict[bytes, str] = {}


def _name(key: bytes) -> str:
    name = key.decode("utf-8", "surrogateescape")
    if len(_names) < 10_000:
        _names[key] = name
    return name


def _pairs(raw: bytes, at: int, depth: int) -> tuple[list[Header], int]:
    stop = at + 4 + _U32(raw, at)[0]
    if stop > len(raw) or depth > _DEPTH:
        raise Malformed("a table is cut off or nested too deep")
    at += 4
    found: list[Header] = []
    append, names, size = found.append, _names, _TYPED_SIZE
    while at < stop:
        value_at = at + 1 + raw[at]
        key = raw[at + 1 : value_at]
        kind, length = size(raw, value_at) if value_at + 5 <= stop else (raw[value_at], 0)
        if kind == 83:  # S, by far the most frequent, without a further call
            at = value_at + 5 + length
            try:
                append((names.get(key) or _name(key), raw[value_at + 5 : at].decode()))
            except UnicodeDecodeError:
                append((_name(key), raw[value_at + 5 : at]))
        else:
            value, at = _value(raw, value_at, depth)
            append((names.get(key) or _name(key), value))
    if at != stop:
        raise Malformed("a table has another length than it says")
    return found, at


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _value(raw: bytes, at: int, depth: int) -> tuple[Any, int]:
    kind = raw[at]
    at += 1
    number = _NUMBERS.get(kind)
    if number is not None:
        return number.unpack_from(raw, at)[0], at + number.size
    if kind == 86:
        return None, at
    if kind == 116:
        return raw[at] != 0, at + 1
    if kind in (83, 120):
        return _bytes(raw, at, kind)
    if kind == 84:
        return moment(_U64.unpack_from(raw, at)[0]), at + 8
    if kind == 68:
        return str(Decimal(_U32(raw, at + 1)[0]).scaleb(-raw[at])), at + 5
    if kind == 70:
        pairs, at = _pairs(raw, at, depth + 1)
        return dict(pairs), at
    if kind == 65:
        return _array(raw, at, depth + 1)
    raise Malformed(f"a table holds a value of unknown type {kind}")


def _bytes(raw: bytes, at: int, kind: int) -> tuple[Any, int]:
    stop = at + 4 + _U32(raw, at)[0]
    if stop > len(raw):
        raise Malformed("a long string is cut off")
    value = raw[at + 4 : stop]
    return (_text(value) if kind == 83 else Binary(value)), stop


def _array(raw: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    stop = at + 4 + _U32(raw, at)[0]
    if stop > len(raw) or depth > _DEPTH:
        raise Malformed("an array is cut off or nested too deep")
    at += 4
    items = []
    while at < stop:
        item, at = _value(raw, at, depth)
        items.append(item)
    if at != stop:
        raise Malformed("an array has another length than it says")
    return items, at


class Binary(bytes):
    """A byte array (``x``), told apart from text that is no UTF-8 (``S``)."""

    __slots__ = ()


def moment(seconds: int) -> datetime:
    """A timestamp; milliseconds, which some clients write, are recognised by size."""
    try:
        if seconds >= _MILLIS:
            whole = datetime.fromtimestamp(seconds // 1000, UTC)
            return whole.replace(microsecond=seconds % 1000 * 1000)
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as problem:
        raise Malformed("a timestamp is out of range") from problem


def encode(headers: bytes, properties: Mapping[str, Any], *, always: bool = False) -> bytes:
    """A content header from encoded table entries and the other properties.

    ``always`` writes an empty table too. Raises ``Unencodable``.
    """
    always = always or bool(headers)
    flags = 0x2000 if always else 0
    parts = [b""]
    for name in PROPERTIES:
        if name == "headers":
            if always:
                parts += (LONG(len(headers)), headers)
        elif properties.get(name) is not None:
            flags |= 1 << _BITS[name]
            parts.append(_property(name, properties[name]))
    parts[0] = flags.to_bytes(2, "big")
    return b"".join(parts)


def persistent(raw: bytes) -> bytes:
    """The same content header with delivery mode 2, changed only where it is another."""
    at = 2
    if raw[0] & 0x80:
        at += 1 + raw[at]
    if raw[0] & 0x40:
        at += 1 + raw[at]
    if raw[0] & 0x20:
        at += 4 + _U32(raw, at)[0]
    if not raw[0] & 0x10:
        return bytes((raw[0] | 0x10, raw[1])) + raw[2:at] + b"\x02" + raw[at:]
    return raw if raw[at] == 2 else raw[:at] + b"\x02" + raw[at + 1 :]


def with_property(raw: bytes, name: str, item: Any) -> bytes:
    """The same content header with one property set, or removed by None."""
    start, stop = table_of(raw)
    _, properties = decode(raw)
    return encode(raw[start:stop], {**properties, name: item}, always=bool(raw[0] & 0x20))


def without(raw: bytes, header: str) -> bytes:
    """The same content header without the entries of one name, the others byte for byte."""
    start, stop = table_of(raw)
    kept = []
    at = start
    while at < stop:
        value_at = at + 1 + raw[at]
        _, end = _value(raw, value_at, 0)
        if raw[at + 1 : value_at] != header.encode():
            kept.append(raw[at:end])
        at = end
    table = b"".join(kept)
    return raw if len(table) == stop - start else raw[: start - 4] + LONG(len(table)) + table + raw[stop:]


def table_of(raw: bytes) -> tuple[int, int]:
    """Where the entries of the headers begin and end in a content header; equal when there are none."""
    at = 2
    for bit in (0x80, 0x40):
        if raw[0] & bit:
            at += 1 + raw[at]
    if not raw[0] & 0x20:
        return at, at
    return at + 4, at + 4 + _U32(raw, at)[0]


def _property(name: str, value: Any) -> bytes:
    try:
        if name in ("delivery_mode", "priority"):
            return bytes((value,))
        return _U64.pack(value) if name == "timestamp" else short(value)
    except (error, ValueError, TypeError) as problem:
        raise Unencodable(f"property {name!r} does not fit") from problem


def short(text: str) -> bytes:
    """A short string; raises ``Unencodable`` beyond 255 bytes."""
    raw = _utf8(text)
    if len(raw) > 255:
        raise Unencodable("a name or property is longer than 255 bytes")
    return bytes((len(raw),)) + raw


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as problem:
        raise Unencodable("text with an unpaired surrogate") from problem


def table(pairs: Iterable[tuple[str, Any]]) -> bytes:
    """The entries of a table, in order and with duplicates; raises ``Unencodable``."""
    return b"".join(short(name) + value(item) for name, item in pairs)


def value(item: Any) -> bytes:
    """One table value with its type; raises ``Unencodable``."""
    return _encode_value(item, 0)


def _encode_value(item: Any, depth: int) -> bytes:
    if depth > _DEPTH:
        raise Unencodable("a header is nested too deep")
    for kind, encoder in _ENCODERS:
        if isinstance(item, kind):
            return encoder(item, depth)
    raise Unencodable(f"a header holds a value of type {type(item).__name__}")


def _sized(kind: bytes, raw: bytes) -> bytes:
    return kind + LONG(len(raw)) + raw


def _integer(item: int, _: int) -> bytes:
    if -(2**31) <= item < 2**31:
        return b"I" + item.to_bytes(4, "big", signed=True)
    if -(2**63) <= item < 2**63:
        return b"l" + item.to_bytes(8, "big", signed=True)
    raise Unencodable("a whole number is beyond 64 bits")


def _moment(item: datetime, _: int) -> bytes:
    if item.microsecond or item.tzinfo is None or item.timestamp() < 0:
        # Seconds are all the type holds; text keeps the rest.
        return _sized(b"S", item.isoformat().encode())
    return b"T" + _U64.pack(int(item.timestamp()))


def _nested(item: Mapping[str, Any], depth: int) -> bytes:
    pairs = (short(str(name)) + _encode_value(each, depth + 1) for name, each in item.items())
    return _sized(b"F", b"".join(pairs))


def _listed(item: Sequence[Any], depth: int) -> bytes:
    return _sized(b"A", b"".join(_encode_value(each, depth + 1) for each in item))


_ENCODERS: tuple[tuple[Any, Callable[[Any, int], bytes]], ...] = (
    (str, lambda item, _: _sized(b"S", _utf8(item))),
    (Binary, lambda item, _: _sized(b"x", item)),
    ((bytes, bytearray, memoryview), lambda item, _: _sized(b"x", bytes(item))),
    (bool, lambda item, _: b"t\x01" if item else b"t\x00"),
    (int, _integer),
    (float, lambda item, _: b"d" + Struct(">d").pack(item)),
    (type(None), lambda item, _: b"V"),
    (datetime, _moment),
    (Mapping, _nested),
    ((list, tuple), _listed),
)

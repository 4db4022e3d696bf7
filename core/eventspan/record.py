"""A native record as JSON text, for stores: key, headers, body and times, each type kept."""

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from eventspan.errors import Rejected, Undecodable
from eventspan.event import Header, Transport, Value

FAILURE = "eventspan-dlq-"
"""Names of the headers that say why a record is a dead letter."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def pack(value: Any) -> Any:
    """A header value as JSON: what JSON cannot tell apart is an object of one member.

    Raises ``Rejected`` for a type no broker has.
    """
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return value if _is_unicode(value) else {"u": value.encode("utf-8", "surrogatepass")}
    if kind is bytes:
        return {"b": value}
    if kind is int:
        return value if -(2**63) <= value < 2**63 else {"i": str(value)}
    if kind is float:
        return value if math.isfinite(value) else {"f": repr(value)}
    return _pack_rare(value)


def _pack_rare(value: Any) -> Any:
    for base in (str, int, float):
        if isinstance(value, base):
            return pack(base(value))
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"b": bytes(value)}
    if isinstance(value, Mapping):
        return {"m": [[pack(name), pack(inner)] for name, inner in value.items()]}
    if isinstance(value, Sequence):
        return [pack(inner) for inner in value]
    raise Rejected(f"a header of type {type(value).__name__} has no stored form")


def unpack(value: Any) -> Any:
    """The value ``pack`` was given; raises ``Undecodable``."""
    if isinstance(value, list):
        return [unpack(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    try:
        ((kind, inner),) = value.items()
        return _UNPACK[kind](inner)
    except (KeyError, ValueError, TypeError):
        raise Undecodable("a stored header is damaged") from None


_UNPACK: Mapping[str, Any] = {
    "b": lambda text: base64.b64decode(text, validate=True),
    "u": lambda text: base64.b64decode(text, validate=True).decode("utf-8", "surrogatepass"),
    "i": int,
    "f": float,
    "t": datetime.fromisoformat,
    "m": lambda pairs: {unpack(name): unpack(inner) for name, inner in pairs},
}


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def pack_attributes(attributes: Mapping[str, Value]) -> bytes:
    """Attributes as a JSON object with their types."""
    return _encode({name: pack(value) for name, value in attributes.items()})


def unpack_attributes(text: bytes | str) -> dict[str, Value]:
    """What ``pack_attributes`` was given; raises ``Undecodable``."""
    found = _parsed(text)
    if not isinstance(found, dict):
        raise Undecodable("stored attributes are damaged")
    return {name: unpack(value) for name, value in found.items()}


def pack_headers(headers: Sequence[Header]) -> bytes | None:
    """Headers as a JSON array of pairs, in their order; None when there are none."""
    return _encode([[name, pack(value)] for name, value in headers]) if headers else None


def unpack_headers(text: bytes | str | None) -> list[Header]:
    """What ``pack_headers`` was given; raises ``Undecodable``."""
    if text is None:
        return []
    found = _parsed(text)
    try:
        return [(name, unpack(value)) for name, value in found]
    except (TypeError, ValueError):
        raise Undecodable("stored headers are damaged") from None


def pack_properties(properties: Mapping[str, Any] | None) -> bytes | None:
    """Native properties as JSON, without those that have no stored form."""
    kept = {}
    for name, value in (properties or {}).items():
        try:
            kept[name] = pack(value)
        except Rejected:
            # A client's own object means nothing outside its connector.
            continue
    return _encode(kept) if kept else None


def failure(headers: Sequence[Header]) -> bytes | None:
    """Why a record is a dead letter, as one JSON object to be read; None for one that is none."""
    found = {name.removeprefix(FAILURE): _told(value) for name, value in headers if name.startswith(FAILURE)}
    return _encode(found) if found else None


def _told(value: Any) -> Any:
    # On brokers these headers are bytes; the header itself keeps its type, here people look.
    try:
        return value.decode() if isinstance(value, bytes) else pack(value)
    except UnicodeDecodeError:
        return pack(value)


def is_dead_letter(transport: Transport) -> bool:
    """Whether a record carries the headers of a dead letter."""
    return any(name.startswith(FAILURE) for name, _ in transport.headers)


def _parsed(text: bytes | str) -> Any:
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Undecodable("what is stored is no JSON") from None

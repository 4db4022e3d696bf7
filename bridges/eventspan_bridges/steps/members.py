"""Members of JSON data by path, edited without reading or printing their neighbours."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from eventspan.attributes import check_name, is_json
from eventspan.errors import ConfigError, Rejected, Undecodable
from eventspan.event import Event

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_UNUSUAL = re.compile(r"[\s\[\]'\"]").search


def parse_target(text: object) -> str | tuple[str, ...]:
    """An attribute name, or the path of ``data.a.b``; raises ``ConfigError``."""
    if not isinstance(text, str):
        raise ConfigError("a field must be an attribute name or data.member")
    head, *path = text.split(".")
    if head == "data":
        if not path or not all(path) or _UNUSUAL(text):
            raise ConfigError(f"{text[:80]!r} is no path of a member", help="write data.member.member")
        return tuple(path)
    try:
        check_name(text)
    except Undecodable as error:
        raise ConfigError(str(error), help="lower-case letters and digits, or data.member") from None
    return text


def json_data(event: Event) -> bytes:
    """The data of an event whose content type is JSON; raises ``Rejected`` for any other."""
    if event.data is None or not event.datacontenttype or not is_json(event.datacontenttype):
        raise Rejected("the event has no JSON data")
    return event.data


def put(data: bytes | msgspec.Raw, path: Sequence[str], value: bytes) -> bytes:
    """``data`` with one member set to the JSON ``value``; missing objects on the way are made.

    Every other member keeps its place and bytes. Of members with the same name in
    one object on the path, the last one's value stays.
    """
    members = _members(data)
    if members is None:
        raise Rejected(f"data has no object that could hold {path[0][:80]!r}")
    name, *rest = path
    new = put(members.get(name, msgspec.Raw(b"{}")), rest, value) if rest else value
    members[name] = msgspec.Raw(new)
    return _encode(members)


def without(data: bytes | msgspec.Raw, path: Sequence[str]) -> bytes | None:
    """``data`` without one member; None when it has none there. Keeps the others as ``put`` does."""
    members = _members(data)
    name, *rest = path
    if members is None or name not in members:
        return None
    if not rest:
        del members[name]
        return _encode(members)
    left = without(members[name], rest)
    if left is None:
        return None
    members[name] = msgspec.Raw(left)
    return _encode(members)


def items(data: bytes, path: Sequence[str]) -> list[bytes]:
    """The raw items of the array at a path; raises ``Rejected`` when there is no array."""
    at: bytes | msgspec.Raw = data
    try:
        for name in path:
            at = _object(at)[name]
        return [bytes(item) for item in _array(at)]
    except (KeyError, *_BROKEN):
        raise Rejected(f"there is no list at {'.'.join(('data', *path))[:80]!r}") from None


def to_json(value: object) -> bytes:
    """A value of an expression as JSON; raises ``Rejected`` for what JSON cannot say exactly."""
    try:
        _check(value)
        return _encode(value)
    except (TypeError, ValueError, RecursionError, msgspec.EncodeError):
        raise Rejected("an expression gives a value that JSON does not have") from None


def _check(value: object) -> None:
    # The encoder would print NaN as null, and times and bytes as texts of its own choice.
    if isinstance(value, float) and not math.isfinite(value):
        raise Rejected("an expression gives a number that JSON does not have")
    if isinstance(value, bytes | bytearray | datetime | timedelta):
        raise Rejected("an expression gives bytes or a time where JSON needs text: use string(...)")
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in nested:
        _check(member)


def _members(data: bytes | msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    """The members of an object; None for another kind of value."""
    try:
        return _object(data)
    except msgspec.ValidationError:
        return None
    except _BROKEN:
        raise Rejected("data is no valid JSON") from None

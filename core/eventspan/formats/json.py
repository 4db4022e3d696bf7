"""The CloudEvents JSON format, single and batch: data goes through byte for byte.

JSON data is cut out of the envelope and put into one, never parsed and printed again.
What cannot stand in an envelope without changing a byte (invalid JSON, white space
around it, another charset) travels as ``data_base64``.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from eventspan.attributes import TYPES, check, check_name, is_json, media_type, typed
from eventspan.errors import Undecodable
from eventspan.event import Event, Transport, Value

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_scalar = msgspec.json.Decoder(str | int | bool | None).decode
_text = msgspec.json.Decoder(str).decode
_value = msgspec.json.Decoder(msgspec.Raw).decode
_encode = msgspec.json.Encoder().encode

_MEMBER = re.compile(
    rb'[ \t\r\n]*+[{,][ \t\r\n]*+"((?:[^"\\]|\\.)*+)"[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL
).match
_END = re.compile(rb"[ \t\r\n]*+\}[ \t\r\n]*+\Z").match
_CHARSET = re.compile(r';[ \t]*charset[ \t]*=[ \t]*"?([A-Za-z0-9._:-]{1,40})"?[ \t]*(?:;|\Z)', re.IGNORECASE)
_HAS_CHARSET = re.compile(r";[ \t]*charset[ \t]*=", re.IGNORECASE)
_NO_CHARSET = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})
"""Codecs of the standard library that are no charsets; the first two are quadratic."""
_TYPED = frozenset(name for name, kind in TYPES.items() if kind in ("boolean", "integer", "binary"))
_BROKEN = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

Parts = tuple[dict[str, Value], bytes | None]


class JsonFormat:
    """``application/cloudevents+json`` and its batch."""

    media_type = "application/cloudevents+json"
    batch_media_type = "application/cloudevents-batch+json"

    def decode(self, data: bytes, transport: Transport | None = None) -> Event:
        return Event(transport or Transport(), None, None, decode_parts(data))

    def decode_parts(self, data: bytes, types: Mapping[str, str] = TYPES) -> Parts:
        return decode_parts(data, types)

    def encode(self, event: Event) -> bytes:
        return encode(event)

    def decode_batch(self, data: bytes) -> list[Event]:
        return decode_batch(data)

    def encode_batch(self, events: Sequence[Event]) -> bytes:
        return b"[" + b",".join([encode(event) for event in events]) + b"]"


FORMAT = JsonFormat()


def decode(data: bytes, transport: Transport | None = None) -> Event:
    """The event in an envelope; raises ``Undecodable``."""
    return FORMAT.decode(data, transport)


def decode_parts(data: bytes, types: Mapping[str, str] = TYPES) -> Parts:
    """Attributes and data of an envelope.

    ``types`` are the known types of attributes: text under one of them becomes a value
    of it if it is its canonical form, and stays text otherwise. Nesting is bounded by
    the interpreter's recursion limit. Raises ``Undecodable``.
    """
    members = _open(data)
    raw, packed = members.pop("data", None), members.pop("data_base64", None)
    attributes = _attributes(members, types)
    check(attributes)
    return attributes, _data(raw, packed, attributes)


def _attributes(members: Mapping[str, msgspec.Raw], types: Mapping[str, str]) -> dict[str, Value]:
    attributes: dict[str, Value] = {}
    name = ""
    try:
        for name, raw in members.items():
            value = _scalar(raw)
            if value is not None:
                attributes[name] = _known(name, value, types) if name in types else value
    except _BROKEN:
        check_name(name)
        raise Undecodable(f"attribute {name!r} is no text, 32-bit integer or boolean") from None
    return attributes


def decode_batch(data: bytes) -> list[Event]:
    """Every event of a batch; ``Undecodable`` names the index of the first that is none."""
    try:
        slices = _items(data)
    except _BROKEN as error:
        raise _undecodable(error) from None
    events = []
    for index, item in enumerate(slices):
        try:
            events.append(decode(bytes(item)))
        except Undecodable as error:
            raise Undecodable(f"event {index} of the batch: {error}") from None
    return events


def _open(data: bytes) -> dict[str, msgspec.Raw]:
    try:
        members = _members(data)
        if not data.isascii():
            data.decode()
    except _BROKEN as error:
        raise _undecodable(error) from None
    # Without white space or a second member of some name, these add up to the length.
    if len(data) != sum(map(len, members)) + sum(map(len, members.values())) + 4 * len(members) + 1:
        _walk(data, members)
    return members


def _walk(data: bytes, members: Mapping[str, msgspec.Raw]) -> None:
    """Follow the members through the bytes, which fails where one of them comes twice."""
    at = 0
    for name, slice_ in members.items():
        match = _MEMBER(data, at)
        raw = bytes(slice_)
        if match is None or not data.startswith(raw, match.end()):
            raise Undecodable(f"member {name[:40]!r} is there twice (byte {at})")
        at = match.end() + len(raw)
    if members and _END(data, at) is None:
        raise Undecodable(f"a member is there twice (byte {at})")


def _undecodable(error: Exception) -> Undecodable:
    if isinstance(error, UnicodeDecodeError):
        return Undecodable(f"the JSON is no UTF-8 (byte {error.start})")
    if isinstance(error, RecursionError):
        return Undecodable("the JSON is nested too deeply")
    return Undecodable(str(error))


def _known(name: str, value: Value, types: Mapping[str, str]) -> Value:
    try:
        return typed(name, value, types)
    except Undecodable:
        return value


def _data(raw: msgspec.Raw | None, packed: msgspec.Raw | None, attributes: dict[str, Value]) -> bytes | None:
    if packed is not None and (base64_text := _string("data_base64", packed)) is not None:
        if raw is not None:
            raise Undecodable("'data' and 'data_base64' are both there")
        return _unpacked(base64_text)
    if raw is None:
        return None
    content_type = attributes.get("datacontenttype")
    if content_type is None and "dssematerial" not in attributes:
        attributes["datacontenttype"] = "application/json"
    if content_type is None or _is_json(str(content_type)):
        return bytes(raw)
    text = _string("data", raw)
    return None if text is None else _encoded(text, str(content_type))


def _string(name: str, raw: msgspec.Raw) -> str | None:
    if bytes(raw) == b"null":
        return None
    try:
        return _text(raw)
    except _BROKEN:
        raise Undecodable(f"member {name!r} is no string") from None


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Undecodable("member 'data_base64' is no base64") from None


def _encoded(text: str, content_type: str) -> bytes:
    charset = _charset(content_type)
    try:
        if charset is not None:
            return text.encode(charset)
    except LookupError:
        pass
    except UnicodeError:
        raise Undecodable("member 'data' holds a character its charset has not") from None
    raise Undecodable("member 'data' is text of an unknown charset")


@lru_cache(1024)
def _charset(content_type: str) -> str | None:
    """The charset a content type names, utf-8 by default; None for one that cannot be."""
    match = _CHARSET.search(content_type)
    if match is None:
        return None if _HAS_CHARSET.search(content_type) else "utf-8"
    name = match[1].lower()
    return None if name.replace("-", "_") in _NO_CHARSET else name


@lru_cache(1024)
def _is_json(content_type: str) -> bool:
    return is_json(content_type)


@lru_cache(1024)
def _plain(content_type: str) -> str | None:
    """The charset of text that a JSON string holds as it is; None for anything else."""
    charset = _charset(content_type) if media_type(content_type).startswith("text/") else None
    return charset if charset in ("utf-8", "utf8", "us-ascii", "ascii") else None


def encode(event: Event) -> bytes:
    """The envelope of an event.

    Attributes known to be booleans or integers are written as such; text that is no
    canonical form of its type is written as it is. Raises ``Undecodable`` for an event
    that is none, or that holds text which is no Unicode.
    """
    members: dict[str, object] = dict(event.attributes)
    for name in _TYPED.intersection(members):
        members[name] = _known(name, event.attributes[name], TYPES)
    data = event.data
    if data is not None:
        members.update(_member(data, members.get("datacontenttype")))
    try:
        return _encode(members)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError):
        raise Undecodable("an attribute has no JSON form") from None


def _member(data: bytes, content_type: object) -> dict[str, object]:
    if isinstance(content_type, str):
        if _is_json(content_type):
            if _embeddable(data):
                return {"data": msgspec.Raw(data)}
        elif charset := _plain(content_type):
            try:
                return {"data": data.decode(charset)}
            except UnicodeDecodeError:
                pass
    return {"data_base64": data}


def _embeddable(data: bytes) -> bool:
    try:
        # White space around the value would be lost on the other side.
        return len(_value(data)) == len(data) and (data.isascii() or bool(data.decode()))
    except _BROKEN:
        return False

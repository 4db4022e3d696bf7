"""Event <-> Kafka record: the CloudEvents Kafka binding, without any client."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias

from eventspan.attributes import (
    TYPES,
    canonical,
    check,
    check_name,
    is_event_format,
    is_time,
    media_type,
    typed,
)
from eventspan.errors import Undecodable
from eventspan.event import Event, Header, Texts, Transport, Value

Mode: TypeAlias = Literal["auto", "binary", "structured"]
Decoded: TypeAlias = tuple[dict[str, Value], bytes | None]
Headers: TypeAlias = list[tuple[str, bytes | None]]

CONTENT_TYPE = "content-type"
STRUCTURED = "application/cloudevents+json"
_TYPED = frozenset(("boolean", "integer", "binary"))
_CHECKED = frozenset(("time", "dataschema"))
_LIMIT = 2_000


class KafkaBinding:
    """Reads and writes records: attributes in ``ce_`` headers, or the event in the body.

    Header names are matched in any case and with ``ce-`` too; values are UTF-8.
    """

    name = "kafka"

    def __init__(self, mode: Mode = "auto", types: Mapping[str, str] | None = None) -> None:
        self.mode = mode
        self._types = {**TYPES, **(types or {})}
        self._names: dict[str, str | None] = {}
        self._media: set[Value] = set()
        self._known_media: set[bytes | None] = {None}
        self._textual: dict[str, str | None] = {}
        """The attributes behind header names seen, empty for one that is more than text."""

    def decode(self, transport: Transport) -> Decoded:
        """Attributes and data of a record; raises ``Undecodable``."""
        if self.mode != "binary":
            content_type = content_type_of(transport.headers)
            if self.mode == "structured" or (content_type and is_event_format(content_type)):
                return self._structured(content_type or STRUCTURED, transport.body)
        return self._binary(transport.headers), transport.body

    def texts(self, transport: Transport) -> Texts | None:
        """Attributes as UTF-8, of a record that plainly is an event in binary mode."""
        found: dict[str, Any] = {}
        others: list[Header] = []
        names, headers = self._textual, transport.headers
        for native, raw in headers:
            name = names.get(native, "")
            if name:
                found[name] = raw
            elif name is None:
                others.append((native, raw))
            else:
                return None
        twice = len(found) + len(others) < len(headers)
        return None if twice or self.mode == "structured" or not self._plainly(found) else (found, others)

    def _plainly(self, found: Mapping[str, bytes]) -> bool:
        """Whether attributes are valid without a closer look."""
        get = found.get
        if not (get("id") and get("source") and get("type") and get("specversion") == b"1.0"):
            return False
        if get("datacontenttype") not in self._known_media or get("subject") == b"":
            return False
        try:
            text = b"".join(found.values())
        except TypeError:
            return False  # a header without a value is an attribute that is not set
        if not (text.isascii() and text.decode().isprintable()):
            return False
        return "time" not in found or is_time(found["time"].decode())

    def encode(self, event: Event) -> Transport:
        """The record of an event, in the mode of this binding; ``auto`` is binary."""
        write = structured if self.mode == "structured" else binary
        headers, body = write(event)
        kept = event.transport
        return Transport(kept.address, kept.lane, kept.position, kept.key, headers, body, kept.timestamp)

    def _binary(self, headers: Sequence[Header]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        names, text = self._names, ""
        plain = True
        for native, raw in headers:
            try:
                name = names[native]
            except KeyError:
                name = self._learn(native)
            if name is None:
                continue
            try:
                value = raw.decode()
            except UnicodeDecodeError:
                raise Undecodable(f"header {native[:40]!r} is no UTF-8") from None
            except AttributeError:
                continue  # a header without a value is an attribute that is not set
            if name in found:
                _same(name, native, found, value)
                continue
            found[name] = value
            text += value
            if name in self._types:
                plain = plain and name not in _CHECKED and self._types[name] not in _TYPED
        if not (plain and text.isascii() and text.isprintable() and self._complete(found)):
            self._finish(found)
        return found

    def _complete(self, found: Mapping[str, Value]) -> bool:
        """Whether the required attributes are there and the optional ones known to be valid."""
        get = found.get
        if not (get("id") and get("source") and get("type") and get("specversion") == "1.0"):
            return False
        media = get("datacontenttype")
        return (media is None or media in self._media) and get("subject") != ""

    def _finish(self, found: dict[str, Value]) -> None:
        for name, value in found.items():
            found[name] = self._typed(name, value)
        check(found)
        media = found.get("datacontenttype")
        if isinstance(media, str) and len(self._media) < _LIMIT:
            self._media.add(media)
            if not is_event_format(media):
                self._known_media.add(media.encode())

    def _typed(self, name: str, value: Value) -> Value:
        """The value as its known type; text that is no canonical form of it stays text."""
        try:
            return typed(name, value, self._types)
        except Undecodable:
            return value

    def _learn(self, native: str) -> str | None:
        folded = native.lower()
        name = "datacontenttype" if folded == CONTENT_TYPE else None
        if folded[:3] in ("ce_", "ce-"):
            name = folded[3:]
            check_name(name)
        if len(self._names) < _LIMIT:
            self._names[native] = name
            more = name == "dataschema" or self._types.get(name or "") in _TYPED
            self._textual[native] = "" if more else name
        return name

    def _structured(self, content_type: str, body: bytes | None) -> Decoded:
        event = _reader(content_type)(body or b"")
        attributes = {name: self._typed(name, value) for name, value in event.attributes.items()}
        check(attributes)
        return attributes, event.data


def _same(name: str, native: str, found: dict[str, Value], value: str) -> None:
    """Take a repeated attribute if it says the same; ``content-type`` wins over its own attribute."""
    if found[name] == value:
        return
    if name != "datacontenttype":
        raise Undecodable(f"attribute {name!r} is there twice, with different values")
    if native.lower() == CONTENT_TYPE:
        found[name] = value


def content_type_of(headers: Sequence[Header]) -> str | None:
    """The native content type; None without one, or when it is no text."""
    for name, value in headers:
        if len(name) == 12 and name.lower() == CONTENT_TYPE and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
    return None


def readable(content_type: str) -> bool:
    """Whether this event format can be read here. Another may still pass through untouched."""
    return media_type(content_type) == STRUCTURED or _is_batch(content_type)


def _is_batch(content_type: str) -> bool:
    return media_type(content_type).startswith("application/cloudevents-batch")


def _reader(content_type: str) -> Callable[[bytes], Event]:
    if _is_batch(content_type):
        raise Undecodable("a batch of events in one record is not defined for Kafka")
    if media_type(content_type) != STRUCTURED and is_event_format(content_type):
        raise Undecodable(f"no reader for the event format {content_type[:80]!r}")
    from eventspan.formats import json as format

    return format.decode


def binary(event: Event) -> tuple[Headers, bytes | None]:
    """Headers and value with one ``ce_`` header per attribute."""
    attributes, data = event.decoded or (event.attributes, event.data)
    headers: Headers = []
    for name, value in attributes.items():
        text = value if isinstance(value, str) else canonical(value)
        headers.append((_natives[name], text.encode()))
    return carried(event.transport.headers, headers), data


def unread(attributes: Mapping[str, bytes], others: Sequence[Header]) -> Headers:
    """Headers of attributes that are text already."""
    headers: Headers = [(_natives[name], text) for name, text in attributes.items()]
    return carried(others, headers)


class _Natives(dict[str, str]):
    """Header names by attribute."""

    def __missing__(self, name: str) -> str:
        native = CONTENT_TYPE if name == "datacontenttype" else "ce_" + name
        if len(self) < _LIMIT:
            self[name] = native
        return native


_natives = _Natives()


def structured(event: Event) -> tuple[Headers, bytes]:
    """Headers and value with the whole event in the value, as JSON."""
    from eventspan.formats import json as format

    headers: Headers = [(CONTENT_TYPE, f"{STRUCTURED}; charset=UTF-8".encode())]
    return carried(event.transport.headers, headers), format.encode(event)


def carried(native: Sequence[Header], headers: Headers) -> Headers:
    """Append the headers a record came with that are no part of the event."""
    for name, value in native:
        if _plain.get(name) or _is_plain(name):
            headers.append((name, header_bytes(value)))
    return headers


_plain: dict[str, bool] = {}
"""Header names seen, and whether they are no attribute under any binding."""


def _is_plain(name: str) -> bool:
    known = _plain.get(name)
    if known is None:
        folded = name.lower()
        known = folded != CONTENT_TYPE and not folded.startswith(("ce_", "ce-", "cloudevents"))
        if len(_plain) < _LIMIT:
            _plain[name] = known
    return known


def native(headers: Sequence[Header]) -> Headers:
    """All headers of a record, as Kafka can hold them."""
    return [(name, header_bytes(value)) for name, value in headers]


def foreign(transport: Transport) -> Headers:
    """Headers of a record of another protocol, which may keep its content type apart from them."""
    headers = native(transport.headers)
    media = (transport.properties or {}).get("content_type")
    if isinstance(media, str) and all(name.lower() != CONTENT_TYPE for name, _ in headers):
        headers.append((CONTENT_TYPE, media.encode()))
    return headers


def header_bytes(value: Any) -> bytes | None:
    """A header of any protocol as bytes.

    Bytes and None stay; text is UTF-8; numbers and booleans are their text, times
    RFC 3339, tables and lists JSON.
    """
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, datetime):
        return value.isoformat().encode()
    if isinstance(value, Mapping | Sequence):
        return json.dumps(value, default=_jsonable, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return str(value).encode()


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    content = header_bytes(value)
    return None if content is None else content.decode("utf-8", "backslashreplace")

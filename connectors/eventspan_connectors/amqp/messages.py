"""Events become AMQP content headers and bodies: the sink's hot path, without any client."""

import re
from collections.abc import Sequence
from struct import Struct, error
from typing import Any, Literal, TypeAlias

from eventspan.attributes import EMPTY_HEADER, KEY_HEADER, TIMESTAMP_HEADER
from eventspan.event import Event, Header, Transport, Value
from eventspan.record import FAILURE
from eventspan_connectors.amqp import codec
from eventspan_connectors.amqp.binding import ESCAPE, STRUCTURED, attribute_of
from eventspan_connectors.amqp.shapes import CONTENT_HEADER

Envelope: TypeAlias = Literal["auto", "binary", "structured", "raw"]
Message: TypeAlias = tuple[bytes, bytes]
"""Content header, from the property flags on, and body."""

_KEPT = (
    "content_encoding", "priority", "correlation_id", "reply_to", "expiration", "message_id", "type",
    "app_id",
)  # fmt: skip
_OWN = frozenset((KEY_HEADER, TIMESTAMP_HEADER, EMPTY_HEADER, "content-type"))
_RESERVED = re.compile(rf"(?:x-|{ESCAPE})|b?cc\Z", re.IGNORECASE).match
_EMPTY = codec.table([(EMPTY_HEADER, True)])
_KEY = codec.short(KEY_HEADER) + b"x"
_MILLIS = codec.short(TIMESTAMP_HEADER) + b"l"
_I64 = Struct(">q").pack
_U64 = Struct(">Q").pack
_LIMIT = 5_000


class Writer:
    """Writes events under the settings of one sink."""

    def __init__(
        self, envelope: Envelope = "binary", *, prefix: str = "ce-", persistent: bool = True, user: str = ""
    ) -> None:
        self.envelope = envelope
        self._prefix = prefix
        self._persistent = persistent
        self._user = user
        self._mode = 2 if persistent else 1
        self._tail = bytes((self._mode,))
        self._keys: dict[str, bytes] = {}
        self._heads: dict[tuple[Value | None, bool], bytes] = {}
        self._headers: dict[str, bytes | None] = {}

    def encode(self, event: Event) -> Message:
        """Content header and body; raises ``Undecodable`` and ``codec.Unencodable``."""
        kept = event.transport
        native = self._native(event)
        letter = native is not None and _is_letter(kept)
        if native is not None and not letter:
            return self._untouched(native, kept)
        if self.envelope == "raw":
            return self._bare(event)
        if self.envelope != "structured" and not letter:
            texts = event.texts()
            if texts is not None:
                return self._unread(*texts, kept)
        if letter or event.fault is not None or event.opaque:
            parts = [self._header(name) + header_value(value) for name, value in kept.headers]
            media = (kept.properties or {}).get("content_type")
            return self._message(parts, media, kept.body, kept)
        if self.envelope == "structured":
            return self._structured(event)
        try:
            return self._binary(event)
        except UnicodeEncodeError as problem:
            raise codec.Unencodable("text with an unpaired surrogate") from problem

    def _native(self, event: Event) -> bytes | None:
        """The content header of a record of ours that nobody has changed, and nobody wants changed."""
        if self.envelope != "auto" or (event.decoded is not None and event.binding is None):
            return None
        if event.binding is not None and event.binding.name != "amqp":
            return None
        native = (event.transport.properties or {}).get(CONTENT_HEADER)
        return native if isinstance(native, bytes) else None

    def _binary(self, event: Event) -> Message:
        attributes, data = event.decoded or (event.attributes, event.data)
        parts: list[bytes] = []
        media: Value | None = None
        keys, long = self._keys, codec.LONG
        for name, value in attributes.items():
            if name == "datacontenttype" and len(value) < 256:  # type: ignore[arg-type] # text by the rules
                media = value
            elif value.__class__ is str:
                text = value.encode()
                parts += (keys.get(name) or self._key(name), long(len(text)), text)
            else:
                parts.append(codec.short(self._prefix + name) + codec.value(value))
        if event.transport.headers:
            self._carry(event.transport.headers, parts)
        return self._message(parts, media, data, event.transport)

    def _unread(self, attributes: dict[str, bytes], others: Sequence[Header], kept: Transport) -> Message:
        """The message of attributes that are text already."""
        parts: list[bytes] = []
        keys, sizes, long = self._keys, codec.SIZES, codec.LONG
        media = attributes.pop("datacontenttype", None)
        if media is not None and len(media) > 255:
            attributes["datacontenttype"], media = media, None
        for name, text in attributes.items():
            size = len(text)
            parts += (keys.get(name) or self._key(name), sizes[size] if size < 256 else long(size), text)
        if others:
            self._carry(others, parts)
        return self._message(parts, media and media.decode(), kept.body, kept)

    def _structured(self, event: Event) -> Message:
        from eventspan.formats.json import encode

        parts: list[bytes] = []
        self._carry(event.transport.headers, parts)
        return self._message(parts, STRUCTURED, encode(event), event.transport)

    def _bare(self, event: Event) -> Message:
        media = None
        body = event.transport.body
        if event.decoded is not None:
            media, body = event.datacontenttype, event.data
        return self._content_header([], media, None), body or b""

    def _carry(self, headers: Sequence[Header], parts: list[bytes]) -> None:
        """Append the headers a record came with that are no part of the event."""
        known = self._headers
        for name, value in headers:
            try:
                key = known[name]
            except KeyError:
                key = self._learn(name)
            if key is not None:
                parts.append(key + header_value(value))

    def _learn(self, name: str) -> bytes | None:
        skipped = attribute_of(name) is not None or name.lower() in _OWN
        key = None if skipped else self._header(name)
        if len(self._headers) < _LIMIT:
            self._headers[name] = key
        return key

    def _header(self, name: str) -> bytes:
        return codec.short(ESCAPE + name if _RESERVED(name) else name)

    def _key(self, name: str) -> bytes:
        key = codec.short(self._prefix + name) + b"S"
        if len(self._keys) < _LIMIT:
            self._keys[name] = key
        return key

    def _message(
        self, parts: list[bytes], media: Value | None, data: bytes | None, kept: Transport
    ) -> Message:
        if kept.key is not None:
            parts.append(_KEY + codec.LONG(len(kept.key)) + kept.key)
        if kept.timestamp is not None and (kept.timestamp < 0 or kept.timestamp % 1000):
            parts.append(_MILLIS + _I64(kept.timestamp))
        if data is not None and not data:
            parts.append(_EMPTY)
        return self._content_header(parts, media, kept), data or b""

    def _content_header(self, parts: list[bytes], media: Value | None, kept: Transport | None) -> bytes:
        native = kept.properties if kept is not None else None
        if native and CONTENT_HEADER in native:
            return self._native_header(parts, media, native, kept)
        table = b"".join(parts)
        stamp = kept.timestamp if kept is not None else None
        timed = stamp is not None and stamp >= 0
        head = self._heads.get((media, timed)) or self._head(media, timed)
        tail = _U64(stamp // 1000) if timed else b""  # type: ignore[operator] # timed says so
        return b"".join((head, codec.LONG(len(table)), table, self._tail, tail))

    def _native_header(self, parts: list[bytes], media: Any, native: Any, kept: Any) -> bytes:
        properties = {name: native[name] for name in _KEPT if name in native}
        properties["content_type"] = media
        mode = native.get("delivery_mode")
        properties["delivery_mode"] = self._mode if self._persistent or mode is None else mode
        if kept.timestamp is not None and kept.timestamp >= 0:
            properties["timestamp"] = kept.timestamp // 1000
        return codec.encode(b"".join(parts), properties)

    def _head(self, media: Value | None, timed: bool) -> bytes:
        """Property flags and content type."""
        flags = 0x3000 | (media is not None) << 15 | timed << 6
        head = flags.to_bytes(2) + (b"" if media is None else codec.short(str(media)))
        if len(self._heads) < _LIMIT:
            self._heads[media, timed] = head
        return head

    def _untouched(self, raw: bytes, kept: Transport) -> Message:
        """The record as it came, but for what the broker would refuse or would have lost."""
        try:
            return self._allowed(raw, kept), kept.body or b""
        except (IndexError, error) as problem:
            raise codec.Unencodable("the content header it came with is broken") from problem

    def _allowed(self, raw: bytes, kept: Transport) -> bytes:
        if kept.deliveries is not None:
            raw = codec.without(raw, "x-delivery-count")
        if raw[1] & 0x10 and (kept.properties or {}).get("user_id") != self._user:
            raw = codec.with_property(raw, "user_id", None)
        if self._persistent:
            raw = codec.persistent(raw)
        return raw


def _is_letter(kept: Transport) -> bool:
    """Whether the last headers say why it is a dead letter: the content header it came with lacks them."""
    return bool(kept.headers) and kept.headers[-1][0].startswith(FAILURE)


def header_value(value: Any) -> bytes:
    """A header of any protocol as a table value: bytes that are UTF-8 become text."""
    if value.__class__ is bytes:
        kind = b"S"
        try:
            value.decode()
        except UnicodeDecodeError:
            kind = b"x"
        return kind + codec.LONG(len(value)) + value
    return codec.value(value)

"""Event <-> AMQP 0-9-1 message: the prefixes found in the wild, without any client.

RabbitMQ has no binding in the specification. Attributes are headers with a prefix,
``datacontenttype`` is the property ``content_type``. Values are text, Boolean, Integer and
Binary. What the protocol has no room for travels in headers of ours: the key, milliseconds,
data that is present but empty, and headers whose names mean something to the broker.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from eventspan.attributes import (
    EMPTY_HEADER,
    KEY_HEADER,
    TIMESTAMP_HEADER,
    TYPES,
    check,
    is_event_format,
    is_time,
    media_type,
    typed,
)
from eventspan.errors import Undecodable
from eventspan.event import Event, Header, Texts, Transport, Value
from eventspan_connectors.amqp import codec
from eventspan_connectors.amqp.shapes import CONTENT_HEADER, Rows

Mode: TypeAlias = Literal["auto", "binary", "structured"]
Decoded: TypeAlias = tuple[dict[str, Value], bytes | None]

STRUCTURED = "application/cloudevents+json"
ESCAPE = "eventspan-header-"
"""Before the name of a header of another protocol that would mean something to RabbitMQ."""
_PREFIXES = ("ce-", "ce_", "cloudevents_", "cloudevents:")
_OWN = frozenset((KEY_HEADER, TIMESTAMP_HEADER, EMPTY_HEADER))
DELIVERY_COUNT = "x-delivery-count"
_LONG_TEXT = 256
_LIMIT = 5_000
_attributes: dict[str, str | None] = {}


def attribute_of(header: str) -> str | None:
    """The attribute a header carries under any known prefix; None for other headers."""
    try:
        return _attributes[header]
    except KeyError:
        folded = header.lower()
        name = next((folded[len(p) :] for p in _PREFIXES if folded.startswith(p)), None)
        if len(_attributes) < _LIMIT:
            _attributes[header] = name
        return name


class AmqpBinding:
    """Reads messages; writes them with ``prefix``."""

    name = "amqp"

    def __init__(
        self, mode: Mode = "auto", types: Mapping[str, str] | None = None, prefix: str = "ce-"
    ) -> None:
        self.mode = mode
        self.prefix = prefix
        self._types = {**TYPES, **(types or {})}

    @property
    def typed(self) -> frozenset[str]:
        """Attributes that are more than text, and the one that has a property of its own."""
        kinds = {name for name, kind in self._types.items() if kind in ("boolean", "integer", "binary")}
        return frozenset(kinds | {"datacontenttype"})

    def decode(self, transport: Transport) -> Decoded:
        """Attributes and data of a message; raises ``Undecodable``."""
        headers = transport.headers
        if isinstance(headers, Rows):
            return _of_rows(headers), transport.body
        content_type = content_type_of(transport)
        if self.mode == "structured" or (
            self.mode == "auto" and content_type is not None and is_event_format(content_type)
        ):
            return self._structured(content_type, transport.body)
        attributes = self._binary(transport.headers, content_type)
        check(attributes)
        return attributes, transport.body

    def texts(self, transport: Transport) -> Texts | None:
        """Attributes as UTF-8, of a message of a known shape."""
        headers = transport.headers
        if not isinstance(headers, Rows):
            return None
        found = headers.undecoded()
        attributes = found[0]
        if "dataschema" in attributes or ("time" in attributes and not is_time(attributes["time"].decode())):
            return None
        return found

    def encode(self, event: Event) -> Transport:
        """The message of an event, in the mode of this binding; ``auto`` is binary."""
        from eventspan_connectors.amqp.messages import Writer

        mode: Mode = "structured" if self.mode == "structured" else "binary"
        raw, body = Writer(mode, prefix=self.prefix).encode(event)
        kept = event.transport
        return transport_of(raw, body, Transport(kept.address, kept.lane, kept.position))

    def _binary(self, headers: Sequence[Header], content_type: str | None) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for header, raw in headers:
            name = attribute_of(header)
            if name is None or raw is None:
                continue
            value = raw if raw.__class__ is str and name not in self._types else self._value(name, raw)
            if name in found and found[name] != value:
                raise Undecodable(f"attribute {name!r} is there twice, with different values")
            found[name] = value
        if content_type:
            found["datacontenttype"] = content_type
        return found

    def _value(self, name: str, raw: Any) -> Value:
        if isinstance(raw, str):
            return self._typed(name, raw)
        if isinstance(raw, bool | int):
            return raw
        if isinstance(raw, datetime):
            return timestamp(raw)
        if isinstance(raw, bytes):
            return self._bytes(name, raw)
        raise Undecodable(f"attribute {name!r} has no CloudEvents type")

    def _typed(self, name: str, text: str) -> Value:
        try:
            return typed(name, text, self._types)
        except Undecodable:
            # Whoever needs a number will say so; forwarding has no reason to refuse or change it.
            return text

    def _bytes(self, name: str, raw: bytes) -> Value:
        # AMQP 1.0 hands long text on as binary, so only what is declared, no text, or
        # short enough to have stayed text is taken for Binary.
        known = self._types.get(name)
        if known == "binary" or (known is None and len(raw) < _LONG_TEXT and isinstance(raw, codec.Binary)):
            return bytes(raw)
        try:
            return self._typed(name, raw.decode())
        except UnicodeDecodeError:
            if known is None and isinstance(raw, codec.Binary):
                return bytes(raw)
            raise Undecodable(f"attribute {name!r} is no UTF-8") from None

    def _structured(self, content_type: str | None, body: bytes | None) -> Decoded:
        kind = media_type(content_type or STRUCTURED)
        if kind.startswith("application/cloudevents-batch"):
            raise Undecodable("a batch of events in one message is not defined for AMQP")
        if is_event_format(kind) and kind != STRUCTURED:
            raise Undecodable(f"no reader for the event format {kind[:80]!r}")
        from eventspan.formats.json import decode_parts

        return decode_parts(body or b"", self._types)


def _of_rows(headers: Rows) -> dict[str, Value]:
    found = headers.attributes()
    if "time" in found or "dataschema" in found:
        check(found)
    return found


def timestamp(moment: datetime) -> str:
    """The canonical text of a native timestamp."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="auto")
    whole, dot, fraction = text.partition(".")
    return whole + dot + fraction.rstrip("0") + "Z"


def content_type_of(transport: Transport) -> str | None:
    """The property ``content_type`` of a message."""
    properties = transport.properties
    return properties.get("content_type") if properties else None


def transport_of(raw: bytes, body: bytes, onto: Transport) -> Transport:
    """Fill a transport from a content header and a body; raises ``Malformed``.

    Headers of ours become the key, the time, and the difference between an empty body and
    none; they and the broker's delivery count are not seen as headers.
    """
    onto.body = body or None
    try:
        headers, properties = codec.decode(raw)
    except codec.Malformed:
        onto.properties = {CONTENT_HEADER: raw}
        raise
    properties[CONTENT_HEADER] = raw
    onto.properties = properties
    if "timestamp" in properties:
        onto.timestamp = properties.pop("timestamp") * 1000
    onto.headers = headers
    # Where the bytes do not hold the names, no header can have them.
    if _MARKS[0] in raw or _MARKS[1] in raw:
        onto.headers = [
            (_unescaped(header), value) for header, value in headers if not _ours(header, value, onto)
        ]
    return onto


_MARKS = (b"eventspan-", DELIVERY_COUNT.encode())


def _unescaped(header: str) -> str:
    return header.removeprefix(ESCAPE)


def _ours(header: str, value: Any, onto: Transport) -> bool:
    """Take a header that is no header to anybody else."""
    if header == KEY_HEADER and isinstance(value, str | bytes):
        onto.key = value.encode() if isinstance(value, str) else bytes(value)
    elif header == TIMESTAMP_HEADER and isinstance(value, int):
        onto.timestamp = value
    elif header == EMPTY_HEADER:
        onto.body = onto.body or b""
    elif header == DELIVERY_COUNT and isinstance(value, int):
        onto.deliveries = value + 1
    else:
        return False
    return True

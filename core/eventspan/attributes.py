"""The rules every binding shares: names, types, canonical text, media types (CloudEvents 1.0.2)."""

import base64
import binascii
import re
from collections.abc import Mapping

from eventspan.errors import Undecodable
from eventspan.event import Event, Transport, Value

REQUIRED = ("id", "source", "type", "specversion")

TYPES: Mapping[str, str] = {
    **dict.fromkeys(("id", "type", "specversion", "subject", "datacontenttype"), "string"),
    "source": "uri-reference",
    "dataschema": "uri",
    "time": "timestamp",
    **dict.fromkeys(("sampledrate", "severitynumber"), "integer"),
    **dict.fromkeys(("opcuametadatamajorversion", "opcuametadataminorversion", "opcuastatus"), "integer"),
    **dict.fromkeys(("deprecated", "bamptxcompleted"), "boolean"),
    **dict.fromkeys(("expirytime", "recordedtime", "deprecationfrom", "deprecationsunset"), "timestamp"),
    "deprecationmigration": "uri",
    "dataref": "uri-reference",
    "dssematerial": "binary",
}
"""Types of the context attributes and of documented extensions. Others are strings."""

KEY_HEADER = "eventspan-key"
TIMESTAMP_HEADER = "eventspan-timestamp"
EMPTY_HEADER = "eventspan-empty"
"""Carry the record key, its time in milliseconds, and ``data`` that is there but has no
bytes, through protocols that have no place for them. Read back, never seen as attributes."""

_NAME = re.compile(r"[a-z0-9]+\Z").match
_TIME = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)"
    r"(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)\Z",
    re.ASCII,
).match
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA = re.compile(rf"{_TOKEN}/{_TOKEN}[ \t]*(?:;.*)?\Z").match
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]*\Z").match
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]").search
_INTEGER = re.compile(r"(?:0|-?[1-9][0-9]{0,9})\Z", re.ASCII).match
_MAX, _MIN = 2**31 - 1, -(2**31)
_OPTIONAL = ("subject", "datacontenttype", "dataschema", "time")
_seen: set[str] = set()
_media: set[str] = set()
_MEMORY = 10_000


def check(attributes: Mapping[str, Value]) -> None:
    """Raise ``Undecodable`` naming the first attribute that breaks a rule."""
    for name in REQUIRED:
        if not attributes.get(name):
            raise Undecodable(f"required attribute {name!r} is missing or empty")
    if attributes["specversion"] != "1.0":
        raise Undecodable("attribute 'specversion' is not 1.0")
    _check_values(attributes)
    for name in _OPTIONAL:
        if name in attributes:
            _check_optional(name, attributes[name])


def _check_values(attributes: Mapping[str, Value]) -> None:
    text = ""
    for name, value in attributes.items():
        if name not in _seen:
            check_name(name)
        if value.__class__ is str:
            text += value
        else:
            _check_value(name, value)
    # One look at all of them: what is not plain ASCII is rare, and then looked at one by one.
    if not (text.isascii() and text.isprintable()):
        for name, value in attributes.items():
            _check_value(name, value)


def check_name(name: str) -> None:
    """Raise ``Undecodable`` unless a name is lower-case letters and digits, and not ``data``."""
    if not _NAME(name) or name == "data":
        raise Undecodable(f"{name[:40]!r} is no attribute name")
    if len(_seen) < _MEMORY and len(name) <= 64:
        _seen.add(name)


def _check_value(name: str, value: Value) -> None:
    kind = value.__class__
    if kind is str:
        text: str = value  # type: ignore[assignment] # narrowed by its class, faster than isinstance
        if not (text.isascii() and text.isprintable()) and _FORBIDDEN(text):
            raise Undecodable(f"attribute {name!r} holds a forbidden character")
    elif kind is int:
        if not _MIN <= value <= _MAX:  # type: ignore[operator] # as above
            raise Undecodable(f"attribute {name!r} is beyond 32 bits")
    elif kind is not bool and kind is not bytes:
        raise Undecodable(f"attribute {name!r} has no CloudEvents type")


def _check_optional(name: str, value: Value) -> None:
    if not isinstance(value, str) or not value:
        raise Undecodable(f"attribute {name!r} is empty or no text")
    if name == "time" and not is_time(value):
        raise Undecodable("attribute 'time' is no RFC 3339 timestamp")
    if name == "datacontenttype" and value not in _media:
        _check_media(value)
    if name == "dataschema" and not _URI(value):
        raise Undecodable("attribute 'dataschema' is no absolute URI")


def is_time(text: str) -> bool:
    """Whether text is a valid ``time``: an RFC 3339 timestamp."""
    return _TIME(text) is not None


def _check_media(value: str) -> None:
    if not _MEDIA(value):
        raise Undecodable("attribute 'datacontenttype' is no media type")
    if len(_media) < _MEMORY and len(value) <= 128:
        _media.add(value)


def canonical(value: Value) -> str:
    """The canonical text of a value (section 3.1)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def typed(name: str, value: Value, types: Mapping[str, str] = TYPES) -> Value:
    """Give text back the type its name is known to have; other values stay.

    Raises ``Undecodable`` when the text is no canonical form of that type.
    """
    kind = types.get(name, "string")
    if not isinstance(value, str) or kind not in ("boolean", "integer", "binary"):
        return value
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    if kind == "integer" and _INTEGER(value) and _MIN <= int(value) <= _MAX:
        return int(value)
    if kind == "binary":
        try:
            packed = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            packed = b""
        if canonical(packed) == value:
            return packed
    raise Undecodable(f"attribute {name!r} is no {kind}")


def media_type(text: str) -> str:
    """The type and subtype, lower-case, without parameters."""
    return text.partition(";")[0].strip().lower()


def is_json(datacontenttype: str) -> bool:
    """Whether data of this type is JSON: ``*/json`` or ``*/*+json`` (JSON format, section 3.1)."""
    subtype = media_type(datacontenttype).partition("/")[2]
    return subtype == "json" or subtype.endswith("+json")


def is_event_format(content_type: str) -> bool:
    """Whether a native content type says that the body is an event, or several."""
    return content_type[:23].lower() == "application/cloudevents"


def wrapped(transport: Transport, content_type: str | None = None) -> Event:
    """An event around a record that is none, the same at every replay.

    The id comes from lane and position, the source from the address.
    """
    attributes: dict[str, Value] = {
        "specversion": "1.0",
        "id": f"{transport.lane}/{transport.position}",
        "source": f"/{transport.address}",
        "type": "eventspan.record",
    }
    if content_type and _MEDIA(content_type):
        attributes["datacontenttype"] = content_type
    return Event(transport, None, None, (attributes, transport.body))

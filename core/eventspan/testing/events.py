"""Events for tests."""

from collections.abc import Sequence

import msgspec

from eventspan.attributes import TYPES, canonical
from eventspan.batch import Span
from eventspan.event import Event, Header, Transport, Value


def numbered(count: int, start: int = 0, *, keys: int = 0, data: bytes | None = None) -> list[Event]:
    """Events whose ids count up from ``start``.

    With ``keys`` each has one of that many transport keys, in turn. ``data`` is the
    same for all; without it, it is the number.
    """
    return [
        Event.new(
            {"id": str(n), "source": "/test", "type": "test.numbered"},
            b"%d" % n if data is None else data,
            Transport(key=b"key-%d" % (n % keys) if keys else None),
        )
        for n in range(start, start + count)
    ]


def spans_of(events: Sequence[Event], lane: str = "test", first: int = 0, epoch: int = 1) -> list[Span]:
    """The span a runtime would hand to ``write`` with events of a single lane."""
    return [Span(lane, epoch, 0, len(events), first, first + len(events))]


_DATA: dict[str, tuple[bytes | None, str | None]] = {
    "absent": (None, None),
    "empty": (b"", "application/octet-stream"),
    "binary": (bytes(range(256)), "application/octet-stream"),
    "untyped": (b"\x00\xff no media type", None),
    "text": ("gr\u00fc\u00df dich \U0001f600\r\n".encode(), "text/plain; charset=utf-8"),
    "latin1": ("gr\u00fc\u00df".encode("latin-1"), "text/plain; charset=iso-8859-1"),
    "json": (b'{"a": 1, "a": 2,\n\t"big": 9007199254740993, "f": 1.10}', "application/json"),
    "json-string": (b'"text"', "application/json"),
    "json-null": (b"null", "application/json"),
    "json-suffix": (b'{"b":[]}', "application/problem+json; charset=UTF-8"),
    "xml": (b'<?xml version="1.0"?><a>&amp;</a>', "application/xml"),
    "newlines": (b"\n\r\n\n", "application/octet-stream"),
}
_ATTRIBUTES: dict[str, dict[str, Value]] = {
    "subject": {"subject": "a/b c%20d\"e\\f'"},
    "unicode": {"subject": "\u20ac \u65e5\u672c \U0001f600 e\u0301"},
    "spaces": {"subject": " leading and trailing "},
    "time-nanos": {"time": "2024-02-29T23:59:59.123456789+05:30"},
    "time-lower": {"time": "1985-04-12t23:20:50.5200z"},
    "time-leap": {"time": "1990-12-31T23:59:60Z"},
    "schema": {"dataschema": "urn:example:schema?v=1#top"},
    "strings": {"ext1": "text", "numberlike": "007", "boollike": "TRUE", "empty": ""},
    "integers": {"sampledrate": 2**31 - 1, "severitynumber": -(2**31)},
    "boolean": {"deprecated": True, "bamptxcompleted": False},
    "bytes": {"dssematerial": bytes(range(256))},
    "trace": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    "long-name": {"a" * 64: "long", "0digit": "first"},
}  # fmt: skip
_TRANSPORTS: dict[str, Transport] = {
    "key": Transport(key=b"key"),
    "key-binary": Transport(key=b"\x00\xff\xfe"),
    "key-empty": Transport(key=b""),
    "timestamp": Transport(timestamp=1_700_000_000_123),
}


def matrix(headers: Sequence[Header] = ()) -> list[Event]:
    """One event for each thing that must come through: its id says which.

    Every kind of data, attribute and extension, then keys and times of the native
    record, then these native headers.
    """
    events = [
        _event(f"data-{name}", {"datacontenttype": kind} if kind else {}, data)
        for name, (data, kind) in _DATA.items()
    ]
    events += [_event(f"attribute-{name}", more, b"x") for name, more in _ATTRIBUTES.items()]
    events += [_event(f"transport-{name}", {}, b"x", carried) for name, carried in _TRANSPORTS.items()]
    events.append(_event("id \u00e9\u20ac/%/?", {}, b"x"))
    if headers:
        events.append(_event("transport-headers", {}, b"x", Transport(headers=headers)))
    return events


def _event(
    name: str, more: dict[str, Value], data: bytes | None, transport: Transport | None = None
) -> Event:
    known: dict[str, Value] = {"id": name, "source": "/test/matrix", "type": "test.matrix", **more}
    # A transport of its own: events of one test must not share what they carry.
    return Event.new(known, data, msgspec.structs.replace(transport or Transport()))


def content(event: Event) -> tuple[dict[str, Value], bytes | None]:
    """What must not change: attributes and data.

    An extension whose type is not known travels as its canonical text, so that is
    what it is compared by; one of a known type has to come back with it.
    """
    known = {n: v if n in TYPES else canonical(v) for n, v in event.attributes.items()}
    return known, event.data

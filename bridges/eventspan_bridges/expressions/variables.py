"""What an expression sees of an event: ``event`` and ``transport``, built only as far as it looks."""

from __future__ import annotations

import difflib
import math
import re
from datetime import datetime
from typing import Any

import msgspec

from eventspan.attributes import is_json, media_type, typed
from eventspan.errors import Rejected
from eventspan.event import Event, Transport
from eventspan_bridges.expressions.cel import ExpressionError

TRANSPORT = ("address", "lane", "position", "key", "headers", "timestamp", "deliveries")

_LITERAL = re.compile(
    r"//[^\n]*"
    r"|[bB]?[rR][bB]?(?:\"\"\".*?\"\"\"|'''.*?'''|\"[^\"\n]*\"|'[^'\n]*')"
    r"|[bB]?(?:\"\"\"(?:\\.|.)*?\"\"\"|'''(?:\\.|.)*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')",
    re.DOTALL,
)
_USE = re.compile(r"(?<![\w.])(event|transport)\b(?:[ \t\n]*\.[ \t\n]*([A-Za-z_]\w*))?")
_NAME = re.compile(r"[a-z0-9]+\Z").match
_decode = msgspec.json.Decoder().decode


def blank_literals(text: str) -> str:
    """The text with string literals and comments blanked out, every offset kept."""
    return _LITERAL.sub(lambda match: '"' + " " * (len(match[0]) - 2) + '"', text)


class Variables:
    """The variables of one expression. Names it mentions are looked up; the rest is left alone.

    ``event.data`` is parsed JSON where ``datacontenttype`` says JSON, text for
    ``text/*``, bytes otherwise. Times stay text: ``timestamp(event.time)`` compares.
    Integers of data beyond 64 bits are doubles, as CEL has none.
    A text or bytes with a zero character in it cannot be looked at and is ``Rejected``.
    Absent attributes are absent, so ``has(event.subject)`` is false for them.
    """

    def __init__(self, text: str) -> None:
        uses = list(_USE.finditer(blank_literals(text)))
        _check_names(uses)
        self._event = _names(uses, "event")
        self._transport = _names(uses, "transport")

    def of(self, event: Event) -> dict[str, object]:
        """Raises ``Rejected`` when data that the expression mentions is not what its type says."""
        variables: dict[str, object] = {}
        if self._event != ():
            variables["event"] = _event_view(event, self._event)
        if self._transport != ():
            variables["transport"] = _transport_view(event.transport, self._transport or TRANSPORT)
        return variables


def _check_names(uses: list[re.Match[str]]) -> None:
    for use in uses:
        name = use[2]
        if name is None:
            continue
        if use[1] == "transport" and name not in TRANSPORT:
            near = difflib.get_close_matches(name, TRANSPORT, 1)
            help = f"did you mean {near[0]}?" if near else f"it has {', '.join(TRANSPORT)}"
            raise ExpressionError(f"transport has no {name[:40]!r}", offset=use.start(2), help=help)
        if use[1] == "event" and not _NAME(name):
            help = "attribute names are lower-case letters and digits"
            raise ExpressionError(f"{name[:40]!r} is no attribute name", offset=use.start(2), help=help)


def _names(uses: list[re.Match[str]], variable: str) -> tuple[str, ...] | None:
    """The members an expression mentions; None when it uses the variable as a whole."""
    names = [use[2] for use in uses if use[1] == variable]
    return None if None in names else tuple(dict.fromkeys(names))


def _event_view(event: Event, names: tuple[str, ...] | None) -> dict[str, object]:
    attributes = event.attributes
    wanted = (*attributes, "data") if names is None else names
    view: dict[str, object] = {}
    for name in wanted:
        if name == "data":
            if event.data is not None:
                view["data"] = _whole_data(event)
        elif (value := attributes.get(name)) is not None:
            view[name] = _whole(typed(name, value))
    return view


def _whole_data(event: Event) -> object:
    value = decoded_data(event)
    # Only data in which a zero character is written can hold one: others are not searched.
    if isinstance(value, str | bytes) or b"\\u0000" in (event.data or b""):
        _check_whole(value)
    return value


def _check_whole(value: object) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            _whole(name)
            _check_whole(member)
    elif isinstance(value, list):
        for item in value:
            _check_whole(item)
    else:
        _whole(value)


def _whole(value: object) -> object:
    """The value; raises ``Rejected`` for one that the expression library would cut short."""
    # It hands texts and bytes over as C strings: what follows a zero is silently gone.
    if _has_zero(value):
        raise Rejected("an expression cannot look at a text or bytes that hold a zero character")
    return value


def _has_zero(value: object) -> bool:
    return (isinstance(value, str) and "\0" in value) or (isinstance(value, bytes) and b"\0" in value)


def decoded_data(event: Event) -> object:
    """Data as its content type says: parsed JSON, text, or the bytes."""
    data, content_type = event.data, event.datacontenttype
    if data is None or content_type is None:
        return data
    try:
        if is_json(content_type):
            return _decode(data)
        return data.decode() if media_type(content_type).startswith("text/") else data
    except RecursionError:
        raise Rejected("data is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Rejected(f"data is not what datacontenttype {content_type[:60]!r} says") from None


def widened(value: object) -> object:
    """The same value with every integer beyond 64 bits as the nearest double."""
    if isinstance(value, dict):
        return {key: widened(member) for key, member in value.items()}
    if isinstance(value, list):
        return [widened(item) for item in value]
    if not isinstance(value, int) or -(2**63) <= value < 2**64:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _transport_view(transport: Transport, names: tuple[str, ...]) -> dict[str, object]:
    view: dict[str, object] = {}
    for name in names:
        value = getattr(transport, name)
        if name == "headers":
            view[name] = _headers(transport)
        elif value is not None:
            view[name] = _whole(_plain(value))
    return view


def _headers(transport: Transport) -> dict[str, object]:
    """The last value of each name. Lists, mappings, and values with a zero byte are left out."""
    last = dict(transport.headers)
    return {
        name: _plain(value)
        for name, value in last.items()
        if not isinstance(value, list | tuple | dict) and not _has_zero(value) and not _has_zero(name)
    }


def _plain(value: Any) -> object:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value.isoformat() if isinstance(value, datetime) else value

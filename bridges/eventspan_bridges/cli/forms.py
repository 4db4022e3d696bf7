"""The forms of ``convert``: an event as JSON, or a native record described in JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from eventspan import ConfigError, Event, Transport, Undecodable, registry
from eventspan.formats import json
from eventspan.record import pack, unpack

_encode = msgspec.json.Encoder().encode
_SAMPLE = {"id": "1", "source": "/", "type": "t"}


@dataclass(frozen=True)
class Form:
    """How one line stands for an event; both raise ``Rejected``."""

    decode: Callable[[bytes], Event]
    encode: Callable[[Event], bytes]


def form(name: str) -> Form:
    """The form of this name; raises ``ConfigError`` with those there are."""
    if name == "json":
        return Form(lambda line: json.decode(line.strip()), _line)
    connector, _, mode = name.rpartition("-")
    binding = _bindings(connector).get(mode) if connector in registry.names() else None
    if binding is None:
        raise ConfigError(f"no form is called {name[:60]!r}", help="there are: " + ", ".join(_names()))
    # What a header value is made of differs by protocol: bytes in Kafka, text in AMQP.
    values = [value for _, value in binding.encode(Event.new(_SAMPLE)).headers]
    in_bytes = any(isinstance(value, bytes) for value in values)
    return Form(
        lambda line: _decoded(binding, line, in_bytes), lambda event: _described(binding.encode(event))
    )


def _bindings(name: str) -> Mapping[str, Any]:
    try:
        return registry.load(name).bindings
    except ConfigError:
        return {}


def _names() -> list[str]:
    return ["json", *(f"{name}-{mode}" for name in registry.names() for mode in _bindings(name))]


def _line(event: Event) -> bytes:
    # JSON data keeps its line ends; between tokens they mean nothing, and within none may stand.
    return json.encode(event).replace(b"\n", b" ").replace(b"\r", b" ")


def _decoded(binding: Any, line: bytes, in_bytes: bool) -> Event:
    try:
        found = msgspec.json.decode(line, type=dict[str, Any])
        headers = [(str(name), _value(value, in_bytes)) for name, value in found.get("headers") or ()]
        key, body = _bytes(found, "key"), _bytes(found, "body")
    except (msgspec.MsgspecError, binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise Undecodable(f"no description of a record: {error}") from None
    transport = Transport(key=key, headers=headers, body=body, properties=found.get("properties"))
    event = Event(transport, binding)
    attributes, data = event.attributes, event.data
    return Event(msgspec.structs.replace(transport, properties=None), None, None, (attributes, data))


def _value(value: Any, in_bytes: bool) -> Any:
    plain = unpack(value)
    return plain.encode() if in_bytes and isinstance(plain, str) else plain


def _bytes(found: Mapping[str, Any], name: str) -> bytes | None:
    packed, text = found.get(f"{name}_base64"), found.get(name)
    if packed is not None:
        return base64.b64decode(packed, validate=True)
    if text is None or isinstance(text, str):
        return None if text is None else text.encode()
    raise ValueError(f"{name} is no text")


def _described(transport: Transport) -> bytes:
    found: dict[str, Any] = {**_text("key", transport.key)}
    properties = {name: value for name, value in (transport.properties or {}).items() if not _is_raw(value)}
    if properties:
        found["properties"] = {name: pack(value) for name, value in properties.items()}
    found["headers"] = [[name, _readable(value)] for name, value in transport.headers]
    return _encode({**found, **_text("body", transport.body)})


def _is_raw(value: Any) -> bool:
    # A header as it stands on the wire is the other properties once more.
    return isinstance(value, bytes | bytearray | memoryview)


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return pack(value)
    return pack(value)


def _text(name: str, value: bytes | None) -> Mapping[str, Any]:
    if value is None:
        return {}
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode("ascii")}

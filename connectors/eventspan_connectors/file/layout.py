"""Event <-> line: pure functions.

A line is an event in the JSON format of CloudEvents. It has no room for what a broker
keeps beside an event, so a second kind of line has: a record, an object whose first
member is ``eventspan``. It holds the event as it is in the first kind, if there is one,
and the key, the headers, the timestamp and, for a dead letter or what is no event, the
raw body. Sources tell the two kinds apart by themselves.
"""

import base64
import binascii
import re
from typing import Any

import msgspec

from eventspan import Event, Rejected, Transport, Undecodable, record
from eventspan.formats import json

_MARK = b'{"eventspan":'
_BYTE = re.compile(r"\(byte (\d+)\)")


_NONE = msgspec.Raw(b"null")


class Record(msgspec.Struct, omit_defaults=True):
    """A line that holds a native record."""

    eventspan: int
    """The format version of the line."""
    event: msgspec.Raw = _NONE
    key: bytes | None = None
    headers: Any = None
    timestamp: int | None = None
    address: str = ""
    failure: Any = None
    body: bytes | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


def to_line(event: Event, *, as_record: bool) -> bytes:
    """One line with its end; raises ``Rejected`` for what has no form as one."""
    if as_record or record.is_dead_letter(event.transport):
        return _record_line(event)
    return _envelope(event) + b"\n"


def _envelope(event: Event) -> bytes:
    line = json.encode(event)
    if b"\n" not in line:
        return line
    # JSON data keeps its bytes, line ends included; here only base64 has room for them.
    data, attributes = event.data, dict(event.attributes)
    assert data is not None
    bare = json.encode(event.replace(data=None))
    if b"\n" in bare or not attributes:
        raise Rejected("the event has no form on one line")
    return b'%s,"data_base64":"%s"}' % (bare[:-1], base64.b64encode(data))


def _record_line(event: Event) -> bytes:
    transport = event.transport
    try:
        envelope = msgspec.Raw(_envelope(event))
    except Undecodable:
        envelope = _NONE
    raw = envelope is _NONE or record.is_dead_letter(transport)
    headers, failure = record.pack_headers(transport.headers), record.failure(transport.headers)
    line = Record(
        1,
        envelope,
        transport.key,
        None if headers is None else msgspec.Raw(headers),
        transport.timestamp,
        transport.address,
        None if failure is None else msgspec.Raw(failure),
        transport.body if raw else None,
    )
    return _encode(line) + b"\n"


def to_event(line: bytes, path: str, number: int, offset: int) -> Event:
    """The event of a line; its fault names path, line and column where it is none."""
    transport = Transport(path, path, offset, body=line)
    try:
        return _from_record(line, transport) if line.startswith(_MARK) else json.decode(line, transport)
    except Undecodable as error:
        return Event(transport, fault=_located(error, path, number))


def _located(error: Undecodable, path: str, number: int) -> Undecodable:
    found = _BYTE.search(str(error))
    return Undecodable(f"{path}:{number}:{int(found[1]) + 1 if found else 1}: {error}")


def _from_record(line: bytes, transport: Transport) -> Event:
    try:
        found = _decode(line)
    except (msgspec.DecodeError, RecursionError, binascii.Error) as error:
        raise Undecodable(str(error)) from None
    if found.eventspan != 1:
        raise Undecodable(f"it is a record of format {found.eventspan}; this version reads 1")
    headers = None if found.headers is None else _encode(found.headers)
    transport.headers = record.unpack_headers(headers)
    transport.key, transport.timestamp, transport.body = found.key, found.timestamp, found.body
    transport.properties = {"address": found.address} if found.address else None
    if bytes(found.event) == b"null":
        raise Undecodable("the record holds no event")
    return json.decode(bytes(found.event), transport)


def check_line(line: bytes) -> None:
    """Raise ``Undecodable`` unless a line is whole."""
    if line.startswith(_MARK):
        try:
            _decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Undecodable(str(error)) from None
    else:
        json.decode(line)

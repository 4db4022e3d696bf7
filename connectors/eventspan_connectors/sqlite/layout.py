"""Event <-> row: pure functions, and the tables rows stand in."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from eventspan import Event, Transport, Undecodable, record
from eventspan.event import Position

APPLICATION = 0x45764C67
"""``application_id`` of the file: EvLg."""
VERSION = 1
"""``user_version`` of the file: the format of its tables."""
SCHEMA = (
    "CREATE TABLE records (seq INTEGER PRIMARY KEY AUTOINCREMENT, log TEXT NOT NULL,"
    " written INTEGER NOT NULL, once TEXT, attributes TEXT, data BLOB, key BLOB, headers TEXT, body BLOB,"
    " timestamp INTEGER, address TEXT NOT NULL, properties TEXT, failure TEXT)",
    "CREATE INDEX records_by_log ON records (log, seq)",
    "CREATE UNIQUE INDEX records_once ON records (log, once) WHERE once IS NOT NULL",
    "CREATE TABLE consumers (log TEXT NOT NULL, consumer TEXT NOT NULL, position INTEGER,"
    " epoch INTEGER NOT NULL, PRIMARY KEY (log, consumer)) WITHOUT ROWID",
    "CREATE TABLE delivered (log TEXT NOT NULL, bridge TEXT NOT NULL, lane TEXT NOT NULL,"
    " position TEXT NOT NULL, PRIMARY KEY (log, bridge, lane)) WITHOUT ROWID",
)
"""``written`` is in milliseconds since 1970 UTC; ``once`` is set by sinks with ``unique``;
``body`` is the raw record of dead letters and of what is no event; ``failure`` says why it is one."""
COLUMNS = ("once", "attributes", "data", "key", "headers", "body", "timestamp", "address", "properties",
           "failure")  # fmt: skip

Row: TypeAlias = tuple[Any, ...]


def to_row(event: Event, *, unique: bool) -> Row:
    """The values of ``COLUMNS``; raises ``Rejected`` for a header with no stored form."""
    transport = event.transport
    attributes, data = _decoded(event)
    raw = attributes is None or record.is_dead_letter(transport)
    return (
        f"{attributes['source']}\n{attributes['id']}" if unique and attributes else None,
        _text(record.pack_attributes(attributes)) if attributes is not None else None,
        data,
        transport.key,
        _text(record.pack_headers(transport.headers)),
        transport.body if raw else None,
        transport.timestamp,
        transport.address,
        _text(record.pack_properties(transport.properties)),
        _text(record.failure(transport.headers)),
    )


def _decoded(event: Event) -> tuple[Mapping[str, Any] | None, bytes | None]:
    try:
        return event.attributes, event.data
    except Undecodable:
        return None, None


def _text(json: bytes | None) -> str | None:
    return None if json is None else json.decode()


def to_event(log: str, seq: int, row: Row) -> Event:
    """The event of a row; a damaged one, or one that never was an event, carries its fault."""
    _, attributes, data, key, headers, body, timestamp, address, properties, _ = row
    transport = Transport(log, log, seq, key, (), body, timestamp)
    try:
        transport.headers = record.unpack_headers(headers)
        kept = {} if properties is None else record.unpack_attributes(properties)
        transport.properties = {**kept, "address": address} if address else kept or None
        if attributes is None:
            return Event(transport, fault=Undecodable(f"record {seq} of log {log} is no CloudEvent"))
        return Event(transport, None, None, (record.unpack_attributes(attributes), data))
    except Undecodable as error:
        return Event(transport, fault=Undecodable(f"record {seq} of log {log}: {error}"))


def pack_position(position: Position) -> str:
    """A position of another connector as text, which keeps its type."""
    return f"i{position}" if isinstance(position, int) else f"s{position}"


def unpack_position(text: str) -> Position:
    """The position ``pack_position`` was given."""
    return int(text[1:]) if text[0] == "i" else text[1:]

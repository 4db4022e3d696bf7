"""A dead letter: the raw record, untouched, and why it could not pass."""

import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from eventspan import Event, Transport
from eventspan.errors import summary
from eventspan.event import Header, Value

PREFIX = "eventspan-dlq-"
MEDIA_TYPE = "application/vnd.eventspan.deadletter+json"
MAX_BYTES = 4096
"""Of all the headers that say why."""


class Failure(msgspec.Struct, omit_defaults=True):
    """Why a record became a dead letter."""

    reason: str
    """The error, one line, without content of the record."""
    stage: str
    """What refused it: ``read``, the name of a step, ``route``, ``write``."""
    side: str
    """The end that refused it: ``source``, ``sinks.NAME``."""
    bridge: str
    lane: str = ""
    position: str = ""
    attempts: int = 1
    first: str = ""
    """RFC 3339 time of the first failed attempt."""
    last: str = ""


class Where(msgspec.Struct, frozen=True):
    """The place in a bridge where a record was refused."""

    bridge: str
    side: str
    stage: str


def failure(
    where: Where, error: Exception, transport: Transport, attempts: int = 1, first: float | None = None
) -> Failure:
    """Describe a refusal; ``first`` is in seconds since 1970."""
    now = time.time()
    return Failure(
        reason=summary(error)[:1024],
        stage=where.stage,
        side=where.side,
        bridge=where.bridge,
        lane=transport.lane[:512],
        position="" if transport.position is None else str(transport.position)[:512],
        attempts=max(attempts, 1),
        first=_rfc3339(first or now),
        last=_rfc3339(now),
    )


def letter(record: Event, why: Failure, *, native: bool) -> Event:
    """The event to write to the dead-letter sink for a record as it was read.

    ``native`` sinks get the record itself with headers beside it. For others it is
    a CloudEvent around the record in base64, the same at every replay but for times.
    """
    return _beside(record, why) if native else _around(record, why)


def _beside(record: Event, why: Failure) -> Event:
    headers = [*_kept(record.transport.headers), *_headers(why)]
    transport = msgspec.structs.replace(record.transport, headers=headers)
    # A raw record is nobody's event here: it is written as it came, whatever protocol takes it.
    raw = record.binding is not None or record.fault is not None
    return Event(transport, None, None, None if raw else record.decoded)


def _kept(headers: Sequence[Header]) -> list[Header]:
    # A letter that dies again says why it died last, not every time.
    return [header for header in headers if not header[0].startswith(PREFIX)]


def _headers(why: Failure) -> list[Header]:
    fields = msgspec.to_builtins(why)
    headers = [(PREFIX + name, str(value).encode()) for name, value in fields.items() if value != ""]
    over = sum(len(name) + len(value) for name, value in headers) - MAX_BYTES
    if over > 0:
        reason = headers[0][1]
        headers[0] = (headers[0][0], reason[: max(0, len(reason) - over)])
    return list(headers)


def _around(record: Event, why: Failure) -> Event:
    transport = record.transport
    attributes: dict[str, Value] = {
        "specversion": "1.0",
        "id": f"{transport.lane}/{transport.position}",
        "source": f"/{why.bridge}/{why.side}",
        "type": "eventspan.deadletter",
        "datacontenttype": MEDIA_TYPE,
    }
    data = {"failure": why, "record": _record(record)}
    return Event(transport, None, None, (attributes, msgspec.json.encode(data)))


def _record(record: Event) -> Mapping[str, Any]:
    transport = record.transport
    fields: dict[str, Any] = {
        "address": transport.address,
        "lane": transport.lane,
        "position": transport.position,
        "timestamp": transport.timestamp,
        "key_base64": _base64(transport.key),
        "headers": [[name, _header(value)] for name, value in _kept(transport.headers)],
        "body_base64": _base64(transport.body),
    }
    if record.binding is None and record.decoded is not None:
        attributes, data = record.decoded
        fields["attributes"] = {n: _header(v) for n, v in attributes.items()}
        fields["body_base64"] = _base64(data)
    return fields


def _header(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": _base64(bytes(value))}
    return value if isinstance(value, str | int | bool | type(None)) else str(value)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode("ascii")


def _rfc3339(secs: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(secs)) + f".{int(secs % 1 * 1000):03d}Z"

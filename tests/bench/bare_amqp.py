"""The least AMQP a copier can speak: a reader of deliveries and a writer with confirms.

No reconnection, no refusals, no translation beyond the headers: a floor to measure
against, not something to run.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence
from urllib.parse import unquote, urlsplit

from pamqp import commands as spec
from pamqp import frame

_FRAME = struct.Struct(">BHI")
_LONGLONG = struct.Struct(">Q")
_LONG = struct.Struct(">I")
_CONTENT = struct.Struct(">HHQH")
_END = b"\xce"
_HEADERS_AND_MODE = 1 << 15 | 1 << 13 | 1 << 12
DELIVER, ACK, NACK = b"\x00\x3c\x00\x3c", b"\x00\x3c\x00\x50", b"\x00\x3c\x00\x78"

Delivery = tuple[int, bytes, bytes]
"""Tag, content header from its flags on, body."""


class Connection(asyncio.Protocol):
    """One connection with one channel."""

    def __init__(self) -> None:
        self.delivered: Callable[[list[Delivery]], None] | None = None
        self.confirmed: Callable[[int, bool], None] | None = None
        self._buffer = b""
        self._replies: asyncio.Queue[object] = asyncio.Queue()
        self._batch: list[Delivery] = []
        self._tag, self._size, self._header, self._body = 0, 0, b"", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"AMQP\x00\x00\x09\x01")

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        at, length = 0, len(buffer)
        while length - at >= 7:
            kind, _, size = _FRAME.unpack_from(buffer, at)
            end = at + 7 + size
            if end >= length:
                break
            self._frame(kind, buffer, at + 7, end)
            at = end + 1
        self._buffer = buffer[at:]
        if self._batch and self.delivered:
            batch, self._batch = self._batch, []
            self.delivered(batch)

    def _frame(self, kind: int, buffer: bytes, at: int, end: int) -> None:
        if kind == 1:
            self._method(buffer, at, end)
        elif kind == 2:
            self._size = _LONGLONG.unpack_from(buffer, at + 4)[0]
            self._header, self._body = buffer[at + 12 : end], b""
            self._complete(b"")
        elif kind == 3:
            self._complete(buffer[at:end])
        elif kind == 8:
            self.transport.write(b"\x08\x00\x00\x00\x00\x00\x00\xce")

    def _method(self, buffer: bytes, at: int, end: int) -> None:
        method = buffer[at : at + 4]
        if method == DELIVER:
            self._tag = _LONGLONG.unpack_from(buffer, at + 5 + buffer[at + 4])[0]
        elif method == ACK and self.confirmed:
            self.confirmed(_LONGLONG.unpack_from(buffer, at + 4)[0], bool(buffer[at + 12] & 1))
        elif method == NACK:
            raise RuntimeError("the broker refused a message")
        else:
            self._replies.put_nowait(frame.unmarshal(buffer[at - 7 : end + 1])[2])

    def _complete(self, part: bytes) -> None:
        self._body = self._body + part if self._body else part
        if len(self._body) == self._size:
            self._batch.append((self._tag, self._header, self._body))

    async def call(self, method: object, channel: int = 1) -> object:
        """Send a method and wait for its answer."""
        self.send(method, channel)
        return await self._replies.get()

    def send(self, method: object, channel: int = 1) -> None:
        """Send a method without an answer."""
        self.transport.write(frame.marshal(method, channel))  # type: ignore[arg-type] # any method of the protocol


async def connect(url: str) -> Connection:
    """Open a connection and its channel."""
    at = urlsplit(url)
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection, at.hostname or "127.0.0.1", at.port or 5672
    )
    await connection._replies.get()
    login = f"\0{unquote(at.username or 'guest')}\0{unquote(at.password or 'guest')}"
    await connection.call(spec.Connection.StartOk({}, "PLAIN", login, "en_US"), 0)
    connection.send(spec.Connection.TuneOk(2047, 131072, 60), 0)
    await connection.call(spec.Connection.Open(unquote(at.path[1:]) or "/"), 0)
    await connection.call(spec.Channel.Open())
    return connection


class Publisher:
    """Writes batches of persistent, mandatory messages, and says when each batch is confirmed."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self._connection = connection
        self._method = frame.marshal(spec.Basic.Publish(exchange="", routing_key=queue, mandatory=True), 1)
        self._tag = 0
        self._names: dict[str, bytes] = {}
        self._open: deque[tuple[int, int, set[int], asyncio.Future[None]]] = deque()
        connection.confirmed = self._confirmed

    def publish(self, messages: Sequence[tuple[bytes, dict[str, bytes]]]) -> "asyncio.Future[None]":
        """Write all of them at once."""
        parts: list[bytes] = []
        for body, headers in messages:
            content = self._content(body, headers)
            parts += (
                self._method, _FRAME.pack(2, 1, len(content)), content, _END,
                _FRAME.pack(3, 1, len(body)), body, _END,
            )  # fmt: skip
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        first, self._tag = self._tag + 1, self._tag + len(messages)
        self._open.append((first, self._tag, set(), future))
        self._connection.transport.write(b"".join(parts))
        return future

    def _content(self, body: bytes, headers: dict[str, bytes]) -> bytes:
        media = headers.get("datacontenttype", b"application/json")
        table: list[bytes] = []
        for name, value in headers.items():
            known = self._names.get(name)
            if known is None:
                raw = f"ce-{name}".encode()
                known = self._names[name] = bytes([len(raw)]) + raw + b"S"
            table += (known, _LONG.pack(len(value)), value)
        fields = b"".join(table)
        return b"".join(
            (
                _CONTENT.pack(60, 0, len(body), _HEADERS_AND_MODE),
                bytes([len(media)]), media, _LONG.pack(len(fields)), fields, b"\x02",
            )
        )  # fmt: skip

    def _confirmed(self, tag: int, multiple: bool) -> None:
        while self._open:
            first, last, alone, future = self._open[0]
            if multiple and tag >= last:
                alone.clear()
                alone.update(range(first, last + 1))
            elif multiple and tag >= first:
                alone.update(range(first, tag + 1))
            elif not multiple:
                self._confirm_one(tag)
            first, last, alone, future = self._open[0]
            if len(alone) < last - first + 1:
                return
            self._open.popleft()
            future.set_result(None)
            if not multiple or tag <= last:
                return

    def _confirm_one(self, tag: int) -> None:
        for first, last, alone, _ in self._open:
            if first <= tag <= last:
                alone.add(tag)
                return


def headers_of(content: bytes) -> dict[str, bytes]:
    """The text headers of a content header; other types are not expected here."""
    flags = int.from_bytes(content[:2], "big")
    at = 2
    for bit in (15, 14):
        if flags >> bit & 1:
            at += 1 + content[at]
    end = at + 4 + _LONG.unpack_from(content, at)[0]
    at += 4
    found = {}
    while at < end:
        name_end = at + 1 + content[at]
        name = content[at + 1 : name_end].decode()
        if content[name_end] != 83:
            raise ValueError(f"header {name} is no text")
        size = _LONG.unpack_from(content, name_end + 1)[0]
        at = name_end + 5 + size
        found[name] = content[name_end + 5 : at]
    return found

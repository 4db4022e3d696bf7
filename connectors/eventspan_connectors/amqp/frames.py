"""Splits what a broker sends: messages and confirms for us, everything else for the library.

Pure: bytes in, calls on an ``Inbox`` and bytes out. It is the hot path of a source, about
one microsecond a message.
"""

from struct import Struct
from typing import Protocol, TypeAlias

_FRAME = Struct(">BHI").unpack_from
_CONTENT = Struct(">BHIIQ").unpack_from
_BODY = Struct(">4sI").unpack_from
_U32 = Struct(">I").unpack_from
_METHOD = Struct(">I").unpack_from
_U64 = Struct(">Q").unpack_from
_U16 = Struct(">H").unpack_from

_DELIVER, _RETURN, _ACK, _NACK = 0x3C003C, 0x3C0032, 0x3C0050, 0x3C0078
_CANCEL, _CHANNEL_CLOSE = 0x3C001E, 0x140028
_CONNECTION_CLOSE, _BLOCKED, _UNBLOCKED = 0xA0032, 0xA003C, 0xA003D
_ANNOUNCE = frozenset((_DELIVER, _RETURN))
HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"

Delivery: TypeAlias = tuple[int, int, bytes, bytes, bytes]
"""Delivery tag, redelivered, encoded exchange and routing key, content header, body."""


class FrameError(Exception):
    """The peer does not speak AMQP 0-9-1."""


class Inbox(Protocol):
    """What takes the messages of one channel."""

    deliveries: list[Delivery]

    def arrived(self) -> None:
        """New ``deliveries``; called once per piece of data."""
        ...

    def returned(self, code: int, address: bytes, header: bytes, body: bytes) -> None: ...

    def confirmed(self, tag: int, *, multiple: bool, ok: bool) -> None: ...

    def cancelled(self) -> None:
        """The broker has cancelled the consumer."""
        ...

    def closed(self, code: int, text: str) -> None:
        """The broker has closed the channel."""
        ...


class Watcher(Protocol):
    """What is told about the connection."""

    def blocked(self, reason: str | None) -> None:
        """The broker takes no messages for now (a reason), or does again (None)."""
        ...

    def refused(self, code: int, text: str) -> None:
        """The broker closes the connection."""
        ...


class _Message:
    """A message whose content is still to come."""

    __slots__ = ("chunks", "head", "header", "left", "method")

    def __init__(self, method: int, head: bytes) -> None:
        self.method = method
        self.head = head
        """Arguments of the method that announced it."""
        self.header = b""
        self.chunks: list[bytes] = []
        self.left = -1
        """Body bytes still to come; -1 before the content header."""


class _Series:
    """What deliveries of one consumer have in common where their addresses are of one length."""

    __slots__ = ("body", "channel", "content", "prefix", "size", "unpack")

    def __init__(self, channel: int, prefix: bytes, address: int) -> None:
        self.channel = channel
        self.prefix = prefix
        """From the type of the frame to the consumer tag, lengths included."""
        # Tag, redelivered, address; end of frame, type and channel of the next; length, class, body size.
        layout = Struct(f">QB{address}s4sIIQ")
        self.unpack = layout.unpack_from
        self.size = layout.size
        self.content = b"\xce\x02" + channel.to_bytes(2, "big")
        self.body = b"\xce\x03" + channel.to_bytes(2, "big")


class Splitter:
    """One connection's incoming bytes."""

    def __init__(self, watcher: Watcher) -> None:
        self.inboxes: dict[int, Inbox] = {}
        """By channel number. Channels without one belong to the library alone."""
        self.limit = 2**20
        """Bytes a frame may have; the negotiated maximum once it is known."""
        self._watcher = watcher
        self._rest = b""
        self._partial: dict[int, _Message] = {}
        self._series: dict[bytes, _Series] = {}
        """By the head of the frame that announces a message."""
        self._started = False

    def feed(self, data: bytes) -> bytes:
        """Take data in; returns what the library should see. Raises ``FrameError``."""
        if self._rest:
            data = self._rest + data
        if not self._started and data:
            if data[:1] != b"\x01":
                raise FrameError("the server does not speak AMQP 0-9-1")
            self._started = True
        passed: list[bytes] = []
        at = self._split(data, passed)
        self._rest = data[at:]
        for inbox in self.inboxes.values():
            if inbox.deliveries:
                inbox.arrived()
        return b"".join(passed)

    def _split(self, data: bytes, passed: list[bytes]) -> int:
        at, size = 0, len(data)
        inboxes, partial, known = self.inboxes, self._partial, self._series
        while size - at >= 8:
            series = known.get(data[at : at + 7])
            if series is not None:
                at = self._whole_messages(data, at, series)
                if size - at < 8:
                    break
            kind, channel, length = _FRAME(data, at)
            if length > self.limit:
                raise FrameError(f"a frame of {length} bytes is beyond the negotiated maximum")
            end = at + 7 + length
            if end >= size:
                break
            if data[end] != 0xCE:
                raise FrameError("a frame does not end where it says")
            message = partial.get(channel)
            if message is not None and kind in (2, 3):
                self._content(channel, message, kind, data[at + 7 : end])
            elif kind == 1 and channel in inboxes and _METHOD(data, at + 7)[0] in _ANNOUNCE:
                end = self._announced(data, at, end, channel) - 1
            elif kind != 1 or self._method(channel, data[at + 7 : end]):
                passed.append(data[at : end + 1])
            at = end + 1
        return at

    def _whole_messages(self, data: bytes, at: int, series: _Series) -> int:
        """Take messages of a series that are there as a whole; returns what follows.

        Whatever is not quite as expected is left to the general way.
        """
        inbox = self.inboxes.get(series.channel)
        if inbox is None or series.channel in self._partial:
            return at
        append, prefix, unpack = inbox.deliveries.append, series.prefix, series.unpack
        before, fixed, size = len(series.prefix), series.size, len(data)
        while data.startswith(prefix, at):
            header = at + before + fixed
            if header > size:
                break
            tag, redelivered, address, mark, length, _, whole = unpack(data, at + before)
            middle = header + length - 12
            if mark != series.content or length < 14 or middle + 8 > size:
                break
            mark, length = _BODY(data, middle)
            stop = middle + 8 + length
            if mark != series.body or length != whole or stop >= size or data[stop] != 0xCE:
                break
            append((tag, redelivered, address, data[header:middle], data[middle + 8 : stop]))
            at = stop + 1
        return at

    def _announced(self, data: bytes, at: int, end: int, channel: int) -> int:
        """Take a message that is there as a whole, or note what it begins with; returns what follows."""
        method = _METHOD(data, at + 7)[0]
        tag = at + 12 + data[at + 11]
        if method == _DELIVER and end < tag + 11:
            raise FrameError("a delivery is cut short")
        if method == _DELIVER and len(self._series) < 1000:
            self._series[data[at : at + 7]] = _Series(channel, data[at:tag], end - tag - 9)
        stop = _whole(data, end + 1, channel) if method == _DELIVER else 0
        if not stop:
            self._partial[channel] = _Message(method, data[at + 11 : end])
            return end + 1
        middle = end + 8 + _U32(data, end + 4)[0]
        header, body = data[end + 20 : middle], data[middle + 8 : stop]
        self.inboxes[channel].deliveries.append(
            (_U64(data, tag)[0], data[tag + 8], data[tag + 9 : end], header, body)
        )
        return stop + 1

    def _content(self, channel: int, message: _Message, kind: int, payload: bytes) -> None:
        if (kind == 2) != (message.left < 0):
            raise FrameError("content frames are out of order")
        if kind == 2:
            message.left = _U64(payload, 4)[0]
            message.header = payload[12:]
        else:
            message.left -= len(payload)
            message.chunks.append(payload)
        if message.left < 0:
            raise FrameError("a body is longer than it says")
        if message.left == 0:
            del self._partial[channel]
            self._complete(self.inboxes.get(channel), message)

    def _complete(self, inbox: Inbox | None, message: _Message) -> None:
        if inbox is None:
            return
        chunks, head = message.chunks, message.head
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if message.method == _DELIVER:
            at = 1 + head[0]
            inbox.deliveries.append((_U64(head, at)[0], head[at + 8], head[at + 9 :], message.header, body))
        else:
            at = 3 + head[2]
            inbox.returned(_U16(head)[0], head[at:], message.header, body)

    def _method(self, channel: int, payload: bytes) -> bool:
        """Look at a method; returns whether the library should see it too."""
        method, inbox = _METHOD(payload)[0], self.inboxes.get(channel)
        if channel == 0:
            self._connection(method, payload)
        elif inbox is not None:
            if method in (_ACK, _NACK):
                inbox.confirmed(_U64(payload, 4)[0], multiple=bool(payload[12] & 1), ok=method == _ACK)
                return False
            if method == _CANCEL:
                inbox.cancelled()
            elif method == _CHANNEL_CLOSE:
                inbox.closed(*_reason(payload))
        return True

    def _connection(self, method: int, payload: bytes) -> None:
        if method == _CONNECTION_CLOSE:
            self._watcher.refused(*_reason(payload))
        elif method == _BLOCKED:
            self._watcher.blocked(payload[5 : 5 + payload[4]].decode("utf-8", "replace"))
        elif method == _UNBLOCKED:
            self._watcher.blocked(None)


def _whole(data: bytes, at: int, channel: int) -> int:
    """Where the body of a message ends if header and one body frame are there; 0 otherwise."""
    if len(data) < at + 30:
        return 0
    kind, number, length, _, size = _CONTENT(data, at)
    middle = at + 7 + length
    if kind != 2 or number != channel or length < 14 or len(data) < middle + 8:
        return 0
    if data[middle] != 0xCE:
        raise FrameError("a frame does not end where it says")
    kind, number, length = _FRAME(data, middle + 1)
    stop: int = middle + 8 + length
    if kind != 3 or number != channel or length != size or len(data) <= stop or data[stop] != 0xCE:
        return 0
    return stop


def _reason(payload: bytes) -> tuple[int, str]:
    return _U16(payload, 4)[0], payload[7 : 7 + payload[6]].decode("utf-8", "replace")


def address_of(encoded: bytes) -> tuple[str, str]:
    """Exchange and routing key, as a delivery or a return carries them."""
    middle = 1 + encoded[0]
    return encoded[1:middle].decode("utf-8", "replace"), encoded[middle + 1 :].decode("utf-8", "replace")

"""Publishes many messages as one write, and follows confirms as ranges of delivery tags.

Pure: it is handed a way to write and is told what the broker says. Confirms come in any
order and for many messages at once; a message nobody is bound for is returned without its
tag, before its confirm.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from struct import Struct

from eventspan.errors import EventspanError, PartialWrite, Rejected
from eventspan.failpoints import failpoint
from eventspan_connectors.amqp.codec import short
from eventspan_connectors.amqp.errors import NotConfirmed
from eventspan_connectors.amqp.frames import Delivery
from eventspan_connectors.amqp.returns import Doubtful, Publication, matching, unrouted

_UNEXPECTED = 505
"""The reply code of frames that come when none should."""
_FRAME = Struct(">BHI").pack
_CONTENT = Struct(">BHIHHQ").pack
_BODY = Struct(">BBHI").pack
"""The end of the frame before, and the head of a body."""


class _Write:
    """What one write still owes."""

    __slots__ = (
        "_alike",
        "early",
        "failures",
        "first",
        "future",
        "last",
        "left",
        "low",
        "messages",
        "places",
    )

    def __init__(self, first: int, messages: Sequence[Publication], places: Sequence[int] | None) -> None:
        self.first = first
        self.last = first + len(messages) - 1
        self.left = len(messages)
        self.messages = messages
        self.places = places
        """Index of each message in the events of the caller; None when they are the same."""
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.failures: dict[int, Exception] = {}
        """By index of the message."""
        self.low = first - 1
        """Every tag up to this one is confirmed."""
        self.early: set[int] = set()
        """Tags confirmed while earlier ones were not."""
        self._alike: dict[tuple[bytes, bytes], list[int]] | None = None

    def owes(self, index: int) -> bool:
        """Whether a message is not confirmed yet."""
        tag = self.first + index
        return tag > self.low and tag not in self.early

    def alike(self, address: bytes, body: bytes) -> Sequence[int]:
        """Messages with this address and body."""
        if self._alike is None:
            self._alike = {}
            for index, message in enumerate(self.messages):
                self._alike.setdefault((message[0], message[2]), []).append(index)
        return self._alike.get((address, body), ())

    def confirm(self, tag: int) -> None:
        """One tag of it; a broker that confirms twice changes nothing."""
        if self.owes(tag - self.first):
            self.early.add(tag)
            self.left -= 1

    def confirm_to(self, tag: int) -> None:
        """Every tag of it up to and including one."""
        if tag > self.low:
            self.low = tag
            self.early = {later for later in self.early if later > tag}
            self.left = self.last - tag - len(self.early)


class Publisher:
    """The publishing side of one channel, from its confirm mode until it is gone."""

    deliveries: list[Delivery]

    def __init__(
        self, channel: int, frame_max: int, write: Callable[[bytes], None], closed: Callable[[int, str], None]
    ) -> None:
        self.deliveries = []
        self.outstanding = 0
        """Messages not yet confirmed."""
        self.mandatory = True
        self._channel = channel
        self._room = (frame_max or 2**31) - 8
        self._send = write
        self._closed = closed
        self._next = 1
        self._writes: deque[_Write] = deque()
        self._methods: dict[bytes, bytes] = {}
        self._behind = 0
        """Messages below this tag were sent before a failure of one before them was known."""
        self._failed = 0
        self._progress = asyncio.Event()

    @property
    def header_room(self) -> int:
        """Bytes a content header may have, its fixed part apart."""
        return self._room - 12

    def publish(self, messages: Sequence[Publication], places: Sequence[int] | None) -> asyncio.Future[None]:
        """Send messages in order; the future ends when every one is confirmed.

        It fails with ``PartialWrite``, or with the reason the channel is gone.
        """
        write = _Write(self._next, messages, places)
        self._writes.append(write)
        self._next += len(messages)
        self.outstanding += len(messages)
        half = len(messages) // 2
        if half:
            self._send(self._frames(messages[:half]))
            failpoint("sink.mid_write")
        self._send(self._frames(messages[half:]))
        return write.future

    async def room(self, window: int) -> None:
        """Wait until fewer than ``window`` messages are outstanding."""
        while self.outstanding >= window and self._writes:
            self._progress.clear()
            await self._progress.wait()

    def fail(self, error: EventspanError) -> None:
        """Nothing more will be confirmed."""
        writes, self._writes = self._writes, deque()
        self.outstanding = 0
        self._progress.set()
        for write in writes:
            if not write.future.done():
                write.future.set_exception(error)
                # Not every caller is still there to take it.
                write.future.exception()

    def _frames(self, messages: Sequence[Publication]) -> bytes:
        out: list[bytes] = []
        channel, room, methods = self._channel, self._room, self._methods
        for address, header, body in messages:
            size = len(body)
            out += (
                methods.get(address) or self._method(address),
                _CONTENT(2, channel, len(header) + 12, 60, 0, size),
                header,
            )
            if 0 < size <= room:
                out += _BODY(0xCE, 3, channel, size), body, b"\xce"
            else:
                out.append(b"\xce")
                parts = (body[at : at + room] for at in range(0, size, room))
                out += [_FRAME(3, channel, len(part)) + part + b"\xce" for part in parts]
        return b"".join(out)

    def _method(self, address: bytes) -> bytes:
        payload = b"\x00\x3c\x00\x28\x00\x00" + address + (b"\x01" if self.mandatory else b"\x00")
        frame = _FRAME(1, self._channel, len(payload)) + payload + b"\xce"
        if len(self._methods) < 10_000:
            self._methods[address] = frame
        return frame

    def confirmed(self, tag: int, *, multiple: bool, ok: bool) -> None:
        """The broker has taken messages, or refuses to."""
        if not 0 < tag < self._next:
            self._closed(_UNEXPECTED, f"the broker confirmed message {tag}, which was never sent")
            return
        if not ok:
            self._refuse(tag, multiple=multiple)
        for write in self._writes:
            if write.first > tag:
                break
            if multiple and write.left:
                write.confirm_to(min(tag, write.last))
            elif write.last >= tag:
                write.confirm(tag)
        self._settle()

    def _refuse(self, tag: int, *, multiple: bool) -> None:
        for write in self._writes:
            low = write.first if multiple else max(tag, write.first)
            for each in range(low, min(tag, write.last) + 1):
                if write.owes(each - write.first):
                    write.failures[each - write.first] = NotConfirmed(
                        "the broker refused to store the message"
                    )
                    self._fail_from(each)

    def _fail_from(self, tag: int) -> None:
        """What was sent behind a failed message fails too."""
        self._failed = min(self._failed or tag, tag)
        self._behind = self._next

    def _settle(self) -> None:
        """End writes whose messages are all confirmed, in the order they came."""
        writes = self._writes
        while writes and not writes[0].left:
            write = writes.popleft()
            self.outstanding -= len(write.messages)
            self._progress.set()
            self._finish(write)

    def _finish(self, write: _Write) -> None:
        self._fail_behind(write)
        if write.last + 1 >= self._behind:
            self._behind = self._failed = 0
        failures: Mapping[int, Exception] = write.failures
        if write.places is not None:
            failures = {write.places[index]: error for index, error in failures.items()}
        if write.future.done():
            return
        if failures:
            write.future.set_exception(PartialWrite(failures))
            write.future.exception()
        else:
            write.future.set_result(None)

    def _fail_behind(self, write: _Write) -> None:
        """Fail what was sent behind a failure: it goes again after it, so the order is kept."""
        if not self._behind or self._behind <= write.first:
            return
        for tag in range(max(write.first, self._failed + 1), min(write.last + 1, self._behind)):
            write.failures.setdefault(tag - write.first, NotConfirmed("a message before it was not stored"))

    def returned(self, code: int, address: bytes, header: bytes, body: bytes) -> None:
        """A mandatory message found no queue. Its confirm is still to come."""
        found = matching(header, self._owed(address, body))
        if not found:
            self._closed(code, "the broker returned a message that was never sent")
        elif len(found) == 1:
            write, index = found[0]
            write.failures[index] = unrouted(write.messages[index])
        else:
            self._doubt(found)

    def _owed(self, address: bytes, body: bytes) -> list[tuple[tuple[_Write, int], bytes]]:
        """Content headers of messages with this address and body that may still come back."""
        return [
            ((write, index), write.messages[index][1])
            for write in self._writes
            for index in write.alike(address, body)
            if write.owes(index) and not isinstance(write.failures.get(index), Rejected)
        ]

    def _doubt(self, found: Sequence[tuple[_Write, int]]) -> None:
        for write, index in found:
            write.failures[index] = Doubtful(write.messages[index])
        # Those that are sent once more come behind what has already been sent.
        write, index = found[0]
        self._fail_from(write.first + index)

    def arrived(self) -> None:
        """Nothing is consumed on a publishing channel."""
        self.deliveries.clear()

    def cancelled(self) -> None:
        """There is no consumer to cancel."""

    def closed(self, code: int, text: str) -> None:
        self._closed(code, text)


def address(exchange: str, routing_key: str) -> bytes:
    """Exchange and routing key as a publication carries them.

    Raises ``ValueError`` when one is longer than 255 bytes or cannot be written.
    """
    if "\0" in exchange:
        raise ValueError("an exchange name holds no NUL")
    return short(exchange) + short(routing_key)

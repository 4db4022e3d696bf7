"""Incoming bytes, however they are cut, and bytes no broker sends."""

import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventspan_connectors.amqp.frames import HEARTBEAT, Delivery, FrameError, Splitter


class Seen:
    """Everything a splitter says, in order."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.said: list[Any] = []

    def arrived(self) -> None:
        self.said += self.deliveries
        self.deliveries.clear()

    def returned(self, code: int, address: bytes, header: bytes, body: bytes) -> None:
        self.said.append((code, address, header, body))

    def confirmed(self, tag: int, *, multiple: bool, ok: bool) -> None:
        self.said.append((tag, multiple, ok))

    def cancelled(self) -> None:
        self.said.append("cancelled")

    def closed(self, code: int, text: str) -> None:
        self.said.append((code, text))

    def blocked(self, reason: str | None) -> None:
        self.said.append(("blocked", reason))

    def refused(self, code: int, text: str) -> None:
        self.said.append(("refused", code, text))


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def content(channel: int, header: bytes, *bodies: bytes) -> bytes:
    head = frame(2, channel, struct.pack(">HHQ", 60, 0, len(b"".join(bodies))) + header)
    return head + b"".join(frame(3, channel, body) for body in bodies)


def deliver(tag: int, channel: int = 1) -> bytes:
    return frame(1, channel, b"\x00\x3c\x00\x3c\x03tag" + struct.pack(">QB", tag, 1) + b"\x01e\x01k")


ACK = frame(1, 1, b"\x00\x3c\x00\x50" + struct.pack(">QB", 9, 1))
OPENED = frame(1, 0, b"\x00\x0a\x00\x0a" + b"\0" * 20)
RETURNED = frame(1, 1, b"\x00\x3c\x00\x32\x01\x38\x08NO_ROUTE\x00\x01k")
BLOCKED = frame(1, 0, b"\x00\x0a\x00\x3c\x03low")
STREAM = (
    OPENED + deliver(1) + content(1, b"\x00\x00", b"one") + deliver(2) + content(1, b"\x10\x00\x02")
    + HEARTBEAT + deliver(3) + content(1, b"\x00\x00", b"two", b"three") + ACK
    + RETURNED + content(1, b"\x00\x00", b"back") + deliver(7, 2) + content(2, b"\x00\x00", b"other")
    + BLOCKED + deliver(4) + content(1, b"\x00\x00", b"four")
)  # fmt: skip
MESSAGES = [
    (1, 1, b"\x01e\x01k", b"\x00\x00", b"one"),
    (2, 1, b"\x01e\x01k", b"\x10\x00\x02", b""),
    (3, 1, b"\x01e\x01k", b"\x00\x00", b"twothree"),
    (4, 1, b"\x01e\x01k", b"\x00\x00", b"four"),
]
PASSED = OPENED + HEARTBEAT + deliver(7, 2) + content(2, b"\x00\x00", b"other") + BLOCKED


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_every_cut_gives_the_same(cuts: list[int]) -> None:
    """Messages and confirms for us; everything else, in order, for the library."""
    seen, watcher = Seen(), Seen()
    splitter = Splitter(watcher)
    splitter.inboxes[1] = seen
    edges = [0, *sorted(cuts), len(STREAM)]
    passed = b"".join(splitter.feed(STREAM[low:high]) for low, high in pairwise(edges))
    assert passed == PASSED
    assert [said for said in seen.said if len(said) == 5] == MESSAGES
    assert [said for said in seen.said if len(said) != 5] == [
        (9, True, True),
        (312, b"\x00\x01k", b"\x00\x00", b"back"),
    ]
    assert watcher.said == [("blocked", "low")]


@given(st.binary(max_size=120))
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    splitter = Splitter(Seen())
    splitter.inboxes[1] = Seen()
    splitter.feed(OPENED)
    try:
        splitter.feed(data)
    except (FrameError, IndexError, struct.error):
        return


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400",
        OPENED + b"\x01\x00\x01\x80\x00\x00\x00\x00",
        OPENED[:-1] + b"\x00",
        OPENED + deliver(1) + content(1, b"\x00\x00", b"x")[:-2] + b"xx",
        OPENED + deliver(1) + frame(3, 1, b"x"),
        OPENED + deliver(1) + frame(2, 1, struct.pack(">HHQ", 60, 0, 1) + b"\0\0") + frame(3, 1, b"xx"),
    ],
)
def test_what_no_broker_sends_is_refused(data: bytes) -> None:
    splitter = Splitter(Seen())
    splitter.inboxes[1] = Seen()
    with pytest.raises(FrameError):
        splitter.feed(data)

"""Bytes into lines: pure functions."""

from collections.abc import Iterator
from typing import NamedTuple


class Line(NamedTuple):
    """A line without its end."""

    text: bytes
    number: int
    """From 1."""
    offset: int
    """In bytes, of its first byte."""


class Cut(NamedTuple):
    """Lines, and where the next one begins."""

    lines: list[Line]
    """Without blank ones."""
    offset: int
    number: int


def cut(data: bytes, offset: int, number: int, limit: int, *, complete: bool) -> Cut:
    """Divide bytes that begin with a line; ``complete`` says that they end with one."""
    lines = list[Line]()
    for text in _ends(data, complete=complete):
        if len(lines) == limit:
            break
        if not text.isspace():
            lines.append(Line(text.rstrip(b"\r\n"), number, offset))
        offset, number = offset + len(text), number + 1
    return Cut(lines, offset, number)


def _ends(data: bytes, *, complete: bool) -> Iterator[bytes]:
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        yield data[start : end + 1]
        start = end + 1
    if complete and start < len(data):
        yield data[start:]

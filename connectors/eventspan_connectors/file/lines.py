"""Bytes into lines: pure functions."""

from collections.abc import Iterator
from typing import NamedTuple

from eventspan import Halted


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


class Limits(NamedTuple):
    """How much is taken at once."""

    lines: int
    line_bytes: int
    """A longer line is not taken, and nothing behind it."""


def cut(data: bytes, offset: int, number: int, limits: Limits, *, complete: bool) -> Cut:
    """Divide bytes that begin with a line; ``complete`` says that they end with one."""
    lines = list[Line]()
    for text in _ends(data, complete=complete):
        if len(lines) == limits.lines or len(text) > limits.line_bytes + 2:
            break
        if not text.isspace():
            lines.append(Line(text.rstrip(b"\r\n"), number, offset))
        offset, number = offset + len(text), number + 1
    return Cut(lines, offset, number)


def check_length(name: str, number: int, size: int, most: int) -> None:
    """Raise ``Halted`` for a line that is too long: skipping it would lose it."""
    if size > most + 1:
        raise Halted(f"{name}:{number}: the line is longer than {most} bytes", help="raise max_line")


def _ends(data: bytes, *, complete: bool) -> Iterator[bytes]:
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        yield data[start : end + 1]
        start = end + 1
    if complete and start < len(data):
        yield data[start:]

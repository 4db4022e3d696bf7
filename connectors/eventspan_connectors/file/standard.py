"""Standard input and output. Every verb blocks for a moment at most."""

import os
import select

from eventspan import NotConnected
from eventspan_connectors.file.config import STANDARD
from eventspan_connectors.file.errors import translated
from eventspan_connectors.file.lines import Limits, Line, check_length, cut
from eventspan_connectors.file.position import START, Position

_BLOCK = 2**18
_MOMENT_SECS = 0.1
INPUT, OUTPUT = 0, 1


class Input:
    """Lines of standard input, which are kept until ``at`` has passed them."""

    name = str(STANDARD)

    def __init__(self, max_line: int, file: int = INPUT) -> None:
        self.at = START
        self.ended = False
        self._file = file
        self._max_line = max_line
        self._data = b""
        self._start = 0
        self._closed = False

    def lines(self, limit: int, *, complete: bool) -> tuple[list[Line], Position]:
        """Lines from ``at`` on, and the position after them; none where none came in a moment."""
        self._data, self._start = self._data[self.at.offset - self._start :], self.at.offset
        if b"\n" not in self._data and not self._closed:
            self._receive()
        end = self._data.find(b"\n")
        check_length("standard input", self.at.line, len(self._data) if end < 0 else end, self._max_line)
        limits = Limits(limit, self._max_line)
        found = cut(self._data, self.at.offset, self.at.line, limits, complete=self._closed)
        self.ended = self._closed and found.offset == self._start + len(self._data)
        return found.lines, Position(found.offset, found.number, "")

    def _receive(self) -> None:
        with translated(STANDARD):
            if select.select([self._file], [], [], _MOMENT_SECS)[0]:
                block = os.read(self._file, _BLOCK)
                self._data += block
                self._closed = not block


class Output:
    """Standard output. A reader that is slow makes ``write`` wait, until ``close``."""

    def __init__(self, file: int = OUTPUT) -> None:
        self._file = file
        self._closed = False

    def write(self, data: bytes) -> None:
        """Hand all of it to whoever reads; raises ``Halted`` when nobody does."""
        left = memoryview(data)
        with translated(STANDARD):
            while left:
                if self._closed:
                    raise NotConnected("standard output was closed")
                # A pipe that is ready has room for so much at least, so that no write blocks.
                if select.select([], [self._file], [], _MOMENT_SECS)[1]:
                    left = left[os.write(self._file, left[: select.PIPE_BUF]) :]

    def close(self) -> None:
        self._closed = True

"""One file being read: whole lines from a position on. Every verb blocks."""

import os
import stat
from pathlib import Path

from eventspan import ConfigError
from eventspan_connectors.file.errors import translated
from eventspan_connectors.file.lines import Limits, Line, check_length, cut
from eventspan_connectors.file.position import SPAN, START, Position, lost, mark, parse

_BLOCK = 2**18


class Tail:
    """An open file, and where the next read of it begins."""

    def __init__(self, path: Path, max_line: int) -> None:
        self.path = path
        self.name = str(path)
        self.at = START
        """Set it to the second value of ``lines`` once these are taken."""
        self.stop: int | None = None
        """An offset that is not read past."""
        self.ended = False
        """Whether the last ``lines`` met the end, or ``stop``."""
        self._max_line = max_line
        self._file = _open(path)

    def lines(self, limit: int, *, complete: bool) -> tuple[list[Line], Position]:
        """Lines from ``at`` on, and the position after them; none where there are none yet.

        ``complete`` says that nothing will be added to a last line without its end.
        Raises ``Halted`` for a line that is too long, and ``PositionLost`` when the file
        was cut or replaced.
        """
        with translated(self.path):
            self._check_same(complete=complete)
            data = self._ahead()
            limits = Limits(limit, self._max_line)
            found = cut(data, self.at.offset, self.at.line, limits, complete=complete and self.ended)
            self.ended = self.ended and found.offset == self.at.offset + (len(data) if complete else 0)
            return found.lines, self._position(found.offset, found.number)

    def _ahead(self) -> bytes:
        """A block at least, and at least one line unless the file ends before."""
        data, stop = b"", 2**62 if self.stop is None else self.stop
        while (end := data.find(b"\n")) < 0 and len(data) <= self._max_line:
            at = self.at.offset + len(data)
            block = os.pread(self._file, max(0, min(max(_BLOCK, len(data)), stop - at)), at)
            data += block
            self.ended = not block
            if self.ended:
                return data
        check_length(self.name, self.at.line, len(data) if end < 0 else end, self._max_line)
        return data

    def _check_same(self, *, complete: bool) -> None:
        opened = os.fstat(self._file)
        if opened.st_size < self.at.offset:
            raise lost(self.name, f"it has {opened.st_size} bytes and was read up to {self.at.offset}")
        # The former file is read to its end first: nothing of it is lost by a rotation.
        if not complete and opened.st_size == self.at.offset and not _is_at(self.path, opened):
            raise lost(self.name, "it was moved, deleted or replaced by another file")

    def _position(self, offset: int, number: int) -> Position:
        return Position(offset, number, mark(os.pread(self._file, min(SPAN, offset), max(0, offset - SPAN))))

    def find(self, stored: object) -> Position:
        """A position as it was stored, or the offset of a line; raises ``PositionLost``."""
        if isinstance(stored, int):
            return self.line_at(stored)
        found = parse(stored, self.name)
        with translated(self.path):
            now = self._position(found.offset, found.line)
        if now != found or self.size < found.offset:
            raise lost(self.name, f"this is not the file that was read up to byte {found.offset}")
        return found

    def line_at(self, offset: int) -> Position:
        """The position of the line that begins at an offset; raises ``ConfigError``."""
        number, at = 1, 0
        with translated(self.path):
            if not 0 <= offset <= self.size or (offset and os.pread(self._file, 1, offset - 1) != b"\n"):
                raise ConfigError(f"{self.name}: no line begins at byte {offset}")
            while block := os.pread(self._file, min(_BLOCK, offset - at), at):
                number, at = number + block.count(b"\n"), at + len(block)
            return self._position(offset, number)

    def end(self) -> Position:
        """The position behind the last whole line."""
        return self.line_at(self.last_end())

    def last_end(self) -> int:
        """The offset behind the last line end; 0 where there is none."""
        with translated(self.path):
            return last_end(self._file)

    def count(self, offset: int) -> int:
        """How many lines there are from an offset on, an unfinished one included."""
        count, last = 0, b"\n"
        with translated(self.path):
            while block := os.pread(self._file, _BLOCK, offset):
                count, last, offset = count + block.count(b"\n"), block[-1:], offset + len(block)
        return count + (last != b"\n")

    @property
    def size(self) -> int:
        with translated(self.path):
            return os.fstat(self._file).st_size

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def last_end(file: int) -> int:
    """The offset behind the last line end of an open file; 0 where there is none."""
    size = os.fstat(file).st_size
    while size:
        start = max(0, size - _BLOCK)
        if (at := os.pread(file, size - start, start).rfind(b"\n")) >= 0:
            return start + at + 1
        size = start
    return 0


def _is_at(path: Path, opened: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), opened)
    except FileNotFoundError:
        return False


def _open(path: Path) -> int:
    with translated(path):
        # Without O_NONBLOCK a pipe in the way would stop the thread until somebody writes to it.
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise ConfigError(f"{path} is no regular file", help="use - to read from a pipe")
    return opened

"""One file being appended to: whole lines, durable when ``write`` returns. Every verb blocks."""

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from eventspan import ConfigError, NotConnected, Undecodable
from eventspan.failpoints import failpoint
from eventspan_connectors.file.errors import translated
from eventspan_connectors.file.layout import check_line
from eventspan_connectors.file.tail import last_end

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Appender:
    """An open file that nobody else appends to: it is locked, and refused when it is already.

    A last line without its end is what a crash has left of a write that was never
    acknowledged. Is it a whole event all the same, it gets its end; else it is cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with translated(path):
            self._file = os.open(path, _FLAGS, 0o600)
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise

    def _prepare(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise ConfigError(f"{self.path} is no regular file", help="use - to write to a pipe")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{self.path} is being written by another process", help="give each sink a file of its own"
            ) from None
        self._mend()
        _sync_folder(self.path.parent)

    def _mend(self) -> None:
        size, end = os.fstat(self._file).st_size, last_end(self._file)
        if size == end:
            return
        torn = os.pread(self._file, size - end, end)
        try:
            check_line(torn)
        except Undecodable:
            self._cut(torn, end)
        else:
            os.write(self._file, b"\n")
        os.fsync(self._file)

    def _cut(self, torn: bytes, end: int) -> None:
        # What does not begin like an event was not written by a sink; it is not ours to cut.
        if not torn.startswith(b"{"):
            raise ConfigError(
                f"{self.path} ends with text that is no event", help="give the sink a file of its own"
            )
        os.ftruncate(self._file, end)

    def write(self, data: bytes) -> None:
        """Append whole lines, or nothing."""
        with translated(self.path):
            if not self._is_there():
                raise NotConnected(f"{self.path} was replaced while it was open")
            size = os.fstat(self._file).st_size
            try:
                self._append(data)
            except OSError:
                # If this fails too, the next connect finds the torn line and cuts it off.
                with suppress(OSError):
                    os.ftruncate(self._file, size)
                raise

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
            failpoint("sink.mid_write")
        os.fsync(self._file)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

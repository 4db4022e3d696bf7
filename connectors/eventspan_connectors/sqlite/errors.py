"""What errors of SQLite and of the file system mean for a bridge."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eventspan import ConfigError, EventspanError, Halted, NotConnected, PositionLost

_TABLE: dict[int, tuple[type[EventspanError], int]] = {
    sqlite3.SQLITE_BUSY: (NotConnected, errno.EBUSY),
    sqlite3.SQLITE_LOCKED: (NotConnected, errno.EBUSY),
    sqlite3.SQLITE_NOMEM: (NotConnected, errno.ENOMEM),
    sqlite3.SQLITE_IOERR: (Halted, errno.EIO),
    sqlite3.SQLITE_FULL: (Halted, errno.ENOSPC),
    sqlite3.SQLITE_READONLY: (Halted, errno.EROFS),
    sqlite3.SQLITE_PERM: (Halted, errno.EACCES),
    sqlite3.SQLITE_CANTOPEN: (Halted, errno.EACCES),
}
_FOR_EVER = frozenset((errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP,
                       errno.ENAMETOOLONG, errno.EINVAL, errno.ENOENT))  # fmt: skip


def translate(error: Exception, path: Path) -> EventspanError:
    """The error of ours for one of SQLite's or the system's; what is unknown is damage."""
    if isinstance(error, OSError):
        number = error.errno or errno.EIO
        kind = ConfigError if number in _FOR_EVER else Halted
        return kind(f"{str(path)[:500]}: {os.strerror(number)}")
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code not in _TABLE:
        return damaged(path, str(error))
    meaning, number = _TABLE[code]
    return meaning(f"{path}: {os.strerror(number)} ({getattr(error, 'sqlite_errorname', '')})")


def damaged(path: Path, why: str) -> PositionLost:
    """The file cannot be trusted; nothing is read from or written to it."""
    return PositionLost(f"{path}: the log is damaged ({why})", help="restore the file, or move it away")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise errors of the client as ours."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError, UnicodeDecodeError) as error:
        raise translate(error, path) from error

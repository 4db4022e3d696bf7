"""The file of a state folder: how it is created, recognised and refused."""

import errno
import os
import sqlite3
from pathlib import Path

from eventspan import sqlite_file
from eventspan.errors import ConfigError, EventspanError, Halted, PositionLost

NAME = "state.db"
BUSY_SECS = 10.0
_OURS = frozenset((errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP,
                   errno.ENAMETOOLONG, errno.EINVAL, errno.ENOENT, errno.EEXIST))  # fmt: skip
_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
}


def lost(path: Path, why: str, bridge: str = "BRIDGE", lane: str = "") -> PositionLost:
    """What is stored cannot be trusted; says what to do about it."""
    if lane:
        return PositionLost(
            f"{path}: the position of lane {lane!r} of bridge {bridge!r} {why}",
            help=f"eventspan offsets set {bridge} '{lane}=POSITION'",
        )
    return PositionLost(
        f"{path}: {why}; no position of any lane of it is known",
        help=f"move {path} away, then for every lane: eventspan offsets set {bridge} 'LANE=POSITION'",
    )


def translate(error: Exception, path: Path, bridge: str = "BRIDGE", lane: str = "") -> EventspanError:
    """What an error of the system or of SQLite means for whoever wanted the state."""
    if isinstance(error, OSError):
        return _from_errno(error.errno or 0, path)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code not in _ERRNO:
        return lost(path, f"cannot be read ({error})" if lane else f"it is damaged ({error})", bridge, lane)
    name = getattr(error, "sqlite_errorname", "")
    return Halted(f"{path}: {os.strerror(_ERRNO[code])} ({name})", help=_help(_ERRNO[code]))


def _from_errno(number: int, path: Path) -> EventspanError:
    kind = ConfigError if number in _OURS else Halted
    return kind(f"{str(path)[:500]}: {os.strerror(number)}", help=_help(number))


def _help(number: int) -> str | None:
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "make room; nothing was acknowledged that is not stored"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "give the worker a state folder it may write to"
    return None


def connect(path: Path) -> sqlite3.Connection:
    """Open the state file, creating it where there is none.

    Raises:
        ConfigError: The place cannot hold it, or a newer version has written it.
        Halted: The disk is full or failing.
        PositionLost: It is not whole, or not a state file.

    """
    try:
        _ensure(path)
        return _opened(path)
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise translate(error, path) from error
        raise ConfigError(f"{str(path)[:500]!r} is no path") from error
    except (OSError, sqlite3.Error) as error:
        raise translate(error, path) from error


def _ensure(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sqlite_file.create_once(path, FORMAT)
    with path.open("rb") as file:
        header = file.read(100)
    # SQLite takes an unknown number here for a file it may only read.
    if header[18:20] not in (b"\1\1", b"\2\2"):
        raise lost(path, "its header is damaged")


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite_file.connect(path, FORMAT, BUSY_SECS)
    # Every commit reaches the main file at once, so a damaged log takes no position back.
    db.execute("PRAGMA wal_autocheckpoint=1")
    return db


FORMAT = sqlite_file.Format(
    kind="state file",
    application=0x45765370,  # EvSp
    version=1,
    schema=(
        "CREATE TABLE lanes (bridge TEXT NOT NULL, lane TEXT NOT NULL, position TEXT,"
        " epoch INTEGER NOT NULL, owner TEXT NOT NULL, crc INTEGER NOT NULL,"
        " PRIMARY KEY (bridge, lane)) WITHOUT ROWID",
        "CREATE TABLE roster (id INTEGER PRIMARY KEY, lanes INTEGER NOT NULL)",
    ),
    rows=("INSERT INTO roster VALUES (1, 0)",),
    damaged=lost,
)

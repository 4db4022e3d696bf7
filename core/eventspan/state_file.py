"""The file of a state folder: how it is created, recognised and refused."""

import errno
import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from eventspan.errors import ConfigError, EventspanError, Halted, PositionLost

NAME = "state.db"
APPLICATION = 0x45765370
"""``application_id`` of the file: EvSp."""
VERSION = 1
"""``user_version`` of the file: the format of its tables."""
SCHEMA = {
    "lanes": "CREATE TABLE lanes (bridge TEXT NOT NULL, lane TEXT NOT NULL, position TEXT,"
    " epoch INTEGER NOT NULL, owner TEXT NOT NULL, crc INTEGER NOT NULL,"
    " PRIMARY KEY (bridge, lane)) WITHOUT ROWID",
    "roster": "CREATE TABLE roster (id INTEGER PRIMARY KEY, lanes INTEGER NOT NULL)",
}
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
        return _recognised(path)
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise translate(error, path) from error
        raise ConfigError(f"{str(path)[:500]!r} is no path") from error
    except (OSError, sqlite3.Error) as error:
        raise translate(error, path) from error


def _ensure(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path.parent):
        if not os.path.lexists(path):
            if os.path.lexists(f"{path}-wal"):
                raise lost(path, "it is gone, and only its write-ahead log is left")
            _create(path)
    for suffix in ("", "-wal", "-shm"):
        _plain(Path(f"{path}{suffix}"))
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        raise lost(path, "it is empty")
    # SQLite takes an unknown number here for a file it may only read.
    if header[18:20] not in (b"\1\1", b"\2\2"):
        raise lost(path, "its header is damaged")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
        os.fsync(opened)
    finally:
        os.close(opened)


def _create(path: Path) -> None:
    # Under another name first: a file of this name is whole or damaged, never half made.
    draft = path.with_name(f".{NAME}.new")
    for leftover in (draft, Path(f"{draft}-journal")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(draft, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=EXTRA")
        db.execute("BEGIN")
        for sql in SCHEMA.values():
            db.execute(sql)
        db.execute("INSERT INTO roster VALUES (1, 0)")
        db.execute(f"PRAGMA application_id={APPLICATION}")
        db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")
    draft.rename(path)


def _plain(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path} is no regular file", help="state is kept in a file of its own")
    if found.st_nlink > 1:
        raise ConfigError(f"{path} has a second name (hard link)", help="state is kept in a file of its own")


def _recognised(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECS, isolation_level=None, check_same_thread=False)
    try:
        _check_format(db, path)
        _set_up(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _set_up(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
        raise ConfigError(f"{path}: this file system cannot share a write-ahead log")
    db.execute("PRAGMA synchronous=FULL")
    # Every commit reaches the main file at once, so a damaged log takes no position back.
    db.execute("PRAGMA wal_autocheckpoint=1")
    db.execute("PRAGMA trusted_schema=OFF")


def _check_format(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA application_id").fetchone() != (APPLICATION,):
        raise lost(path, "it is no state file of eventspan")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise ConfigError(
            f"{path} has format {version}; this version of eventspan reads up to {VERSION}",
            help="run the version that wrote it, or a later one",
        )
    found = dict(db.execute("SELECT name, sql FROM sqlite_master"))
    if version != VERSION or found != SCHEMA:
        raise lost(path, "its tables are not those of a state file")

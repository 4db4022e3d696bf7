"""The database file: opened or created, recognised, and used from one thread at a time."""

import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

from eventspan import ConfigError, NotConnected
from eventspan_connectors.sqlite.errors import damaged, translated
from eventspan_connectors.sqlite.layout import APPLICATION, SCHEMA, VERSION

T = TypeVar("T")


class Database:
    """An open file. Every verb blocks; errors are translated."""

    def __init__(self, path: Path, busy_secs: float) -> None:
        self.path = path
        self._lock = Lock()
        with translated(path):
            ensure(path)
            self._db: sqlite3.Connection | None = _connection(path, busy_secs)
            self._identity = _identity(path)

    def run(self, kind: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work in one transaction: ``DEFERRED`` to read, ``IMMEDIATE`` to write."""
        with self._lock, translated(self.path):
            if self._db is None:
                raise NotConnected(f"{self.path} is closed")
            if _identity(self.path) != self._identity:
                raise NotConnected(f"{self.path} was replaced while it was open")
            return _transaction(self._db, kind, work)

    def close(self) -> None:
        with self._lock, translated(self.path):
            db, self._db = self._db, None
            if db is not None:
                db.close()


def _transaction(db: sqlite3.Connection, kind: str, work: Callable[[sqlite3.Connection], T]) -> T:
    db.execute(f"BEGIN {kind}")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def ensure(path: Path) -> None:
    """Create the file if nothing is there; refuse anything but a plain file with content."""
    try:
        with _locked(path.parent):
            if not os.path.lexists(path):
                _create(path)
    except ValueError as error:
        raise ConfigError(f"{str(path)[:500]!r} is no path") from error
    for suffix in ("", "-wal", "-shm"):
        refuse_special(Path(f"{path}{suffix}"))
    if path.stat().st_size == 0:
        raise damaged(path, "it is empty")


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
    if os.path.lexists(f"{path}-wal"):
        raise damaged(path, "only its write-ahead log is left")
    draft = path.with_name(f".{path.name}.new")
    for leftover in (draft, Path(f"{draft}-journal")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(draft, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=EXTRA")
        _transaction(db, "IMMEDIATE", _tables)
    draft.rename(path)


def _tables(db: sqlite3.Connection) -> None:
    for sql in SCHEMA:
        db.execute(sql)
    db.execute(f"PRAGMA application_id={APPLICATION}")
    db.execute(f"PRAGMA user_version={VERSION}")


def refuse_special(path: Path) -> None:
    """Raise ``ConfigError`` for a link, a pipe, a folder or a file with a second name."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise ConfigError(f"{path} is no regular file of one name", help="give the log a file of its own")


def _connection(path: Path, busy_secs: float) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=busy_secs, isolation_level=None, check_same_thread=False)
    try:
        check_format(db, path)
        _set_up(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _set_up(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
        raise ConfigError(f"{path}: this file system cannot share a write-ahead log")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA trusted_schema=OFF")


def check_format(db: sqlite3.Connection, path: Path) -> None:
    """Raise unless the file is a log of a format this version knows."""
    if db.execute("PRAGMA application_id").fetchone() != (APPLICATION,):
        raise damaged(path, "it is no log of eventspan")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise ConfigError(
            f"{path} has format {version}; this version of eventspan reads up to {VERSION}",
            help="run the version that wrote it, or a later one",
        )
    found = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if version != VERSION or not found.issuperset(SCHEMA):
        raise damaged(path, "its tables are not those of a log")

"""The database file: opened or created, recognised, and used from one thread at a time."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TypeVar

from eventspan import ConfigError, NotConnected, sqlite_file
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
            self._db: sqlite3.Connection | None = sqlite_file.connect(path, FORMAT, busy_secs)
            self._identity = _identity(path)

    def run(self, kind: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work in one transaction: ``DEFERRED`` to read, ``IMMEDIATE`` to write."""
        with self._lock, translated(self.path):
            if self._db is None:
                raise NotConnected(f"{self.path} is closed")
            if _identity(self.path) != self._identity:
                raise NotConnected(f"{self.path} was replaced while it was open")
            return sqlite_file.transaction(self._db, kind, work)

    def close(self) -> None:
        with self._lock, translated(self.path):
            db, self._db = self._db, None
            if db is not None:
                db.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


FORMAT = sqlite_file.Format("log", APPLICATION, VERSION, SCHEMA, (), damaged)


def ensure(path: Path) -> None:
    """Create the file if nothing is there; refuse anything but a plain file with content."""
    try:
        sqlite_file.create_once(path, FORMAT)
    except ValueError as error:
        raise ConfigError(f"{str(path)[:500]!r} is no path") from error

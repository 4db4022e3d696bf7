"""An SQLite file of ours: created whole, recognised before it is used, refused otherwise."""

import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from eventspan.errors import ConfigError, EventspanError

T = TypeVar("T")


class Format(NamedTuple):
    """What a file of one kind holds, and how to say that one does not."""

    kind: str
    """How messages name it: ``state file``."""
    application: int
    """Its ``application_id``."""
    version: int
    """Its ``user_version``: the format of its tables."""
    schema: tuple[str, ...]
    """The statements that make its tables, as SQLite keeps them."""
    rows: tuple[str, ...]
    """Statements that put in what a new file starts with."""
    damaged: Callable[[Path, str], EventspanError]
    """The error for a file that cannot be trusted, and why."""


def create_once(path: Path, form: Format) -> None:
    """Create the file if nothing is there; refuse anything but a plain file with content."""
    with _locked(path.parent):
        if not os.path.lexists(path):
            if os.path.lexists(f"{path}-wal"):
                raise form.damaged(path, "it is gone, and only its write-ahead log is left")
            _create(path, form)
    for suffix in ("", "-wal", "-shm"):
        refuse_special(Path(f"{path}{suffix}"), form)
    if path.stat().st_size == 0:
        raise form.damaged(path, "it is empty")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
        os.fsync(opened)
    finally:
        os.close(opened)


def _create(path: Path, form: Format) -> None:
    # Under another name first: a file of this name is whole or damaged, never half made.
    draft = path.with_name(f".{path.name}.new")
    for leftover in (draft, Path(f"{draft}-journal")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(draft, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=EXTRA")
        transaction(db, "IMMEDIATE", lambda db: _fill(db, form))
    draft.rename(path)


def _fill(db: sqlite3.Connection, form: Format) -> None:
    for sql in (*form.schema, *form.rows):
        db.execute(sql)
    db.execute(f"PRAGMA application_id={form.application}")
    db.execute(f"PRAGMA user_version={form.version}")


def refuse_special(path: Path, form: Format) -> None:
    """Raise ``ConfigError`` for a link, a pipe, a folder or a file with a second name."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path} is no regular file", help=f"give the {form.kind} a place of its own")
    if found.st_nlink > 1:
        raise ConfigError(
            f"{path} has a second name (hard link)", help=f"give the {form.kind} a place of its own"
        )


def connect(path: Path, form: Format, busy_secs: float) -> sqlite3.Connection:
    """Open a file that is there, once it is recognised; durable at every commit."""
    db = sqlite3.connect(path, timeout=busy_secs, isolation_level=None, check_same_thread=False)
    try:
        check_format(db, path, form)
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


def check_format(db: sqlite3.Connection, path: Path, form: Format) -> None:
    """Raise unless the file is of this kind, and of a version this one knows."""
    if db.execute("PRAGMA application_id").fetchone() != (form.application,):
        raise form.damaged(path, f"it is no {form.kind} of eventspan")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > form.version:
        raise ConfigError(
            f"{path} has format {version}; this version of eventspan reads up to {form.version}",
            help="run the version that wrote it, or a later one",
        )
    found = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    # What SQLite adds for itself, statistics say, is no damage.
    if version != form.version or not found.issuperset(form.schema):
        raise form.damaged(path, f"its tables are not those of a {form.kind}")


def transaction(db: sqlite3.Connection, kind: str, work: Callable[[sqlite3.Connection], T]) -> T:
    """Do work in one transaction: ``DEFERRED`` to read, ``IMMEDIATE`` to write."""
    db.execute(f"BEGIN {kind}")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result

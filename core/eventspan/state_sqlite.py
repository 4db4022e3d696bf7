"""A StateStore in one SQLite file per state folder, shared by the processes of a host."""

import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import time_ns
from typing import TypeVar

import msgspec

from eventspan.errors import PositionLost
from eventspan.event import Position
from eventspan.failpoints import failpoint
from eventspan.owner import parse
from eventspan.sqlite_file import transaction
from eventspan.state import Lease, LeaseTaken, StateConflict
from eventspan.state_file import NAME, connect, lost, translate

_COLUMNS = "bridge, lane, position, epoch, owner, crc"
T = TypeVar("T")


class Row(msgspec.Struct, frozen=True):
    """What is stored of one lane."""

    bridge: str
    lane: str
    position: str | None
    epoch: int
    owner: str
    """Empty when nobody holds the lease."""

    @property
    def crc(self) -> int:
        """Over every column, so that the row of another lane is no valid row of this one."""
        return zlib.crc32(msgspec.json.encode(self))


def encode(position: Position) -> str:
    """A position as stored text, which keeps its type."""
    return f"i{position}" if isinstance(position, int) else f"s{position}"


def decode(text: str) -> Position:
    """The position a stored text stands for."""
    return int(text[1:]) if text[0] == "i" else text[1:]


class SqliteStore:
    """Positions and leases of the bridges of one state folder.

    Every row carries a checksum over its lane, position, epoch and owner, and the file
    counts its rows: a damaged position is ``PositionLost``, and so is one that may have
    been there. Safe to use from several threads, each verb with one durable write at most.
    """

    def __init__(self, folder: Path) -> None:
        """Open or create ``state.db`` in a folder, itself created where it is missing.

        Raises:
            ConfigError: The folder cannot hold it, or a newer version has written it.
            Halted: The disk is full or failing.
            PositionLost: The file is not whole, or not a state file.

        """
        self.path = Path(folder) / NAME
        self._lock = Lock()
        self._complete = False
        """Whether every row has been looked at since the file was opened."""
        self._db: sqlite3.Connection | None = connect(self.path)

    def position(self, bridge: str, lane: str) -> Position | None:
        with self._reading(bridge, lane) as db:
            row = self._row(db, bridge, lane)
        return None if row is None or row.position is None else decode(row.position)

    def positions(self, bridge: str) -> Mapping[str, Position]:
        with self._reading(bridge) as db:
            rows = self._all(db, bridge)
        return {row.lane: decode(row.position) for row in rows if row.bridge == bridge and row.position}

    def advance(self, lease: Lease, position: Position) -> None:
        def change(db: sqlite3.Connection) -> None:
            row = self._row(db, lease.bridge, lease.lane)
            if row is None or row.epoch != lease.epoch:
                raise StateConflict(
                    f"lane {lease.lane!r} of bridge {lease.bridge!r} has another owner since",
                    help="stop one of the two workers that run this bridge",
                )
            _put(db, msgspec.structs.replace(row, position=encode(position)))

        self._write(change, lease.bridge, lease.lane)

    def reset(self, bridge: str, lane: str, position: Position | None) -> None:
        """Set or forget a position by hand, whoever holds it.

        It mends a damaged row, and ends a lease held from another host.
        """
        text = None if position is None else encode(position)

        def change(db: sqlite3.Connection) -> None:
            try:
                row = self._row(db, bridge, lane) or Row(bridge, lane, None, 0, "")
            except PositionLost:
                # What the epoch was is unknown; the clock gives one no former owner can hold.
                row = Row(bridge, lane, None, time_ns(), "")
            _put(db, msgspec.structs.replace(_without_stranger(row), position=text))

        self._write(change, bridge, lane)

    def acquire(self, bridge: str, lane: str, owner: str) -> Lease:
        def change(db: sqlite3.Connection) -> Lease:
            row = self._row(db, bridge, lane) or Row(bridge, lane, None, 0, "")
            _refuse(row, owner)
            lease = Lease(bridge, lane, owner, row.epoch + 1)
            _put(db, msgspec.structs.replace(row, epoch=lease.epoch, owner=owner))
            return lease

        return self._write(change, bridge, lane)

    def release(self, lease: Lease) -> None:
        def change(db: sqlite3.Connection) -> None:
            row = self._row(db, lease.bridge, lease.lane)
            if row is not None and (row.owner, row.epoch) == (lease.owner, lease.epoch):
                _put(db, msgspec.structs.replace(row, owner=""))

        self._write(change, lease.bridge, lease.lane)

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _row(self, db: sqlite3.Connection, bridge: str, lane: str) -> Row | None:
        found = db.execute(f"SELECT {_COLUMNS} FROM lanes WHERE bridge = ? AND lane = ?", (bridge, lane))
        values = found.fetchone()
        if values is None:
            # Absent, or no longer found: only a look at every row can tell.
            if not self._complete:
                self._all(db, bridge)
            return None
        row = _checked(values)
        if row is None or (row.bridge, row.lane) != (bridge, lane):
            raise lost(self.path, "fails its checksum", bridge, lane)
        return row

    def _all(self, db: sqlite3.Connection, bridge: str) -> list[Row]:
        if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise lost(self.path, "its pages are damaged", bridge)
        rows: dict[tuple[str, str], Row] = {}
        for values in db.execute(f"SELECT {_COLUMNS} FROM lanes"):
            row = _checked(values)
            if row is None:
                raise lost(self.path, "fails its checksum", str(values[0])[:100], str(values[1])[:500])
            rows[row.bridge, row.lane] = row
        # Keys are counted, not rows: a damaged page can show one row twice and hide another.
        if db.execute("SELECT lanes FROM roster WHERE id = 1").fetchone() != (len(rows),):
            raise lost(self.path, "lanes are missing in it", bridge)
        self._complete = True
        return list(rows.values())

    def _write(self, change: Callable[[sqlite3.Connection], T], bridge: str, lane: str) -> T:
        with self._using(bridge, lane) as db:
            failpoint("state.before_write")
            result = transaction(db, "IMMEDIATE", change)
            failpoint("state.after_write")
            return result

    @contextmanager
    def _reading(self, bridge: str, lane: str = "") -> Iterator[sqlite3.Connection]:
        with self._using(bridge, lane) as db:
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")

    @contextmanager
    def _using(self, bridge: str, lane: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._db is None:
                self._db = connect(self.path)
            try:
                yield self._db
            except (sqlite3.DatabaseError, OSError, UnicodeDecodeError) as error:
                # What was on its way to the disk when it failed is unknown: read it back anew.
                self._drop()
                raise translate(error, self.path, bridge, lane) from error

    def _drop(self) -> None:
        db, self._db = self._db, None
        self._complete = False
        if db is not None:
            db.close()


def _put(db: sqlite3.Connection, row: Row) -> None:
    values = (row.position, row.epoch, row.owner, row.crc, row.bridge, row.lane)
    changed = db.execute(
        "UPDATE lanes SET position = ?, epoch = ?, owner = ?, crc = ? WHERE bridge = ? AND lane = ?", values
    )
    if changed.rowcount == 0:
        db.execute(
            "INSERT INTO lanes (position, epoch, owner, crc, bridge, lane) VALUES (?, ?, ?, ?, ?, ?)", values
        )
        db.execute("UPDATE roster SET lanes = lanes + 1")


def _checked(values: tuple[object, ...]) -> Row | None:
    try:
        row = msgspec.convert(dict(zip(Row.__struct_fields__, values, strict=False)), Row)
    except msgspec.ValidationError:
        return None
    return row if row.crc == values[-1] else None


def _refuse(row: Row, owner: str) -> None:
    if row.owner in ("", owner):
        return
    held = f"lane {row.lane!r} of bridge {row.bridge!r} is held by"
    holder = parse(row.owner)
    if holder is None:
        raise LeaseTaken(f"{held} {row.owner}")
    if not holder.local:
        raise LeaseTaken(
            f"{held} process {holder.pid} on host {holder.host}, which cannot be asked from here",
            help=f"once it is gone for good: {_released(row)}",
        )
    if holder.alive:
        raise LeaseTaken(f"{held} process {holder.pid} on host {holder.host}", help="it runs already")


def _released(row: Row) -> str:
    # Lanes that start so are no lanes of a source: they stand for a run of the bridge.
    if row.lane.startswith("@"):
        return f"eventspan offsets release {row.bridge}"
    return f"eventspan offsets set {row.bridge} '{row.lane}=POSITION'"


def _without_stranger(row: Row) -> Row:
    holder = parse(row.owner)
    if holder is None or holder.local:
        return row
    return msgspec.structs.replace(row, owner="", epoch=row.epoch + 1)

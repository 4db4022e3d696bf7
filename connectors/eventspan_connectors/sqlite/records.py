"""The statements: append, read, and the positions of consumers. Each runs in a transaction."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from eventspan import Event, PositionLost
from eventspan.event import Position
from eventspan.state import StateConflict
from eventspan_connectors.sqlite.layout import COLUMNS, Row, to_event

_SELECT = f"SELECT seq, {', '.join(COLUMNS)} FROM records WHERE log = ? AND seq >= ? AND seq < ? ORDER BY seq"
_INSERT = (
    f"INSERT OR IGNORE INTO records (log, written, {', '.join(COLUMNS)}) VALUES (?, ?{', ?' * len(COLUMNS)})"
)


def append(db: sqlite3.Connection, log: str, rows: Iterable[Row], written_ms: int) -> None:
    """Add rows; those whose ``once`` is there already change nothing."""
    db.executemany(_INSERT, ((log, written_ms, *row) for row in rows))


def note_delivered(db: sqlite3.Connection, log: str, bridge: str, positions: Mapping[str, str]) -> None:
    """Note how far the lanes of a bridge are durable."""
    rows = [(log, bridge, lane, position) for lane, position in positions.items()]
    db.executemany("INSERT OR REPLACE INTO delivered VALUES (?, ?, ?, ?)", rows)


def delivered(db: sqlite3.Connection, log: str, bridge: str, lane: str) -> str | None:
    """The position last noted for a lane."""
    found = db.execute(
        "SELECT position FROM delivered WHERE log = ? AND bridge = ? AND lane = ?", (log, bridge, lane)
    ).fetchone()
    return None if found is None else str(found[0])


def expire(db: sqlite3.Connection, log: str, before_ms: int) -> None:
    """Delete records written before a time that every consumer has passed."""
    db.execute(
        "DELETE FROM records WHERE log = ?1 AND written < ?2 AND seq < (SELECT coalesce(min("
        "coalesce(position, 0)), 9223372036854775807) FROM consumers WHERE log = ?1)",
        (log, before_ms),
    )


def read(
    db: sqlite3.Connection, log: str, first: int, stop: int, limit: int, limit_bytes: int
) -> Sequence[Event]:
    """Events from a position on, oldest first, up to a count and about as many bytes."""
    events, size = list[Event](), 0
    for seq, *row in db.execute(_SELECT, (log, first, stop)):
        events.append(to_event(log, seq, tuple(row)))
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(events) >= limit or size >= limit_bytes:
            break
    return events


def end(db: sqlite3.Connection) -> int:
    """The number the next record of the file will get."""
    found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
    return int(found[0]) + 1 if found else 1


def oldest(db: sqlite3.Connection, log: str, since_ms: int = 0) -> int:
    """The first record written at a time or later; the end when there is none."""
    found = db.execute(
        "SELECT seq FROM records WHERE log = ? AND written >= ? ORDER BY seq LIMIT 1", (log, since_ms)
    ).fetchone()
    return int(found[0]) if found else end(db)


def since(db: sqlite3.Connection, log: str, time: datetime) -> int:
    """The first record written at a time or later."""
    return oldest(db, log, int(time.timestamp() * 1000))


def behind(db: sqlite3.Connection, log: str, position: int) -> int:
    """How many records wait from a position on."""
    found = db.execute("SELECT count(*) FROM records WHERE log = ? AND seq >= ?", (log, position))
    return int(found.fetchone()[0])


def position(db: sqlite3.Connection, log: str, consumer: str) -> int | None:
    """Where a consumer goes on; None when it has no position. Raises ``PositionLost``."""
    found = db.execute(
        "SELECT position FROM consumers WHERE log = ? AND consumer = ?", (log, consumer)
    ).fetchone()
    if found is None or found[0] is None:
        return None
    check_position(db, log, consumer, found[0])
    return int(found[0])


def check_position(db: sqlite3.Connection, log: str, consumer: str, position: Position) -> None:
    """Raise ``PositionLost`` for a position the file has never reached."""
    if not isinstance(position, int) or not 0 <= position <= end(db):
        raise PositionLost(
            f"log {log!r} ends at {end(db)}, and consumer {consumer!r} stands at {position!r}",
            help="the file is an older copy, or not the one that was read; set the position by hand",
        )


def take_over(db: sqlite3.Connection, log: str, consumer: str) -> int:
    """Own a consumer: whoever had it before can no longer move it. Returns the epoch."""
    db.execute("INSERT OR IGNORE INTO consumers VALUES (?, ?, NULL, 0)", (log, consumer))
    db.execute("UPDATE consumers SET epoch = epoch + 1 WHERE log = ? AND consumer = ?", (log, consumer))
    found = db.execute("SELECT epoch FROM consumers WHERE log = ? AND consumer = ?", (log, consumer))
    return int(found.fetchone()[0])


def advance(db: sqlite3.Connection, log: str, consumer: str, epoch: int, position: Position) -> None:
    """Move a consumer; raises ``StateConflict`` when it was taken over."""
    changed = db.execute(
        "UPDATE consumers SET position = ? WHERE log = ? AND consumer = ? AND epoch = ?",
        (position, log, consumer, epoch),
    )
    if changed.rowcount != 1:
        raise StateConflict(f"consumer {consumer!r} of log {log!r} has another owner since")

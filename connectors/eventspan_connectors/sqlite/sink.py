"""Appends events to a log: one durable transaction per write."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from functools import partial

from eventspan import Context, Event, NotConnected, Span
from eventspan.endpoint import Finding
from eventspan.event import Position
from eventspan.failpoints import failpoint
from eventspan.own_thread import OwnThread
from eventspan_connectors.sqlite import records
from eventspan_connectors.sqlite.config import SinkSettings
from eventspan_connectors.sqlite.database import Database
from eventspan_connectors.sqlite.findings import findings
from eventspan_connectors.sqlite.layout import Row, pack_position, to_row, unpack_position

_EXPIRE_EVERY_SECS = 60.0


class SqliteSink:
    """A write is in the file, or nothing of it is."""

    def __init__(self, settings: SinkSettings, context: Context) -> None:
        self._settings = settings
        self._bridge = context.bridge
        self._thread = OwnThread("sqlite-sink")
        self._opening: asyncio.Future[Database] | None = None
        self._database: Database | None = None
        self._expired = float("-inf")

    async def connect(self) -> None:
        if self._database is None:
            await self.close()
            settings = self._settings
            self._opening = self._thread.start(Database, settings.path, settings.busy)
            self._database = await asyncio.shield(self._opening)

    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        database = self._connected()
        done = {span.lane: pack_position(span.next) for span in spans if span.next is not None}
        try:
            await self._thread.run(self._append, database, events, done)
        except NotConnected:
            await self.close()
            raise

    def _append(self, database: Database, events: Sequence[Event], done: dict[str, str]) -> None:
        rows = self._rows(events)
        failpoint("sink.before_write")
        database.run("IMMEDIATE", partial(self._insert, rows=rows, done=done))
        failpoint("sink.after_write")

    def _rows(self, events: Sequence[Event]) -> list[Row]:
        return [to_row(event, unique=self._settings.unique) for event in events]

    def _insert(self, db: sqlite3.Connection, rows: Sequence[Row], done: dict[str, str]) -> None:
        settings, now_ms = self._settings, time.time_ns() // 1_000_000
        records.append(db, settings.log, rows, now_ms)
        failpoint("sink.mid_write")
        records.note_delivered(db, settings.log, self._bridge, done)
        if settings.keep is not None and time.monotonic() - self._expired > _EXPIRE_EVERY_SECS:
            records.expire(db, settings.log, now_ms - int(settings.keep * 1000))
            self._expired = time.monotonic()

    def _connected(self) -> Database:
        if self._database is None:
            raise NotConnected(f"{self._settings.path} is not connected")
        return self._database

    async def delivered(self, lane: str) -> Position | None:
        find = partial(records.delivered, log=self._settings.log, bridge=self._bridge, lane=lane)
        found = await self._thread.run(self._connected().run, "DEFERRED", find)
        return None if found is None else unpack_position(found)

    async def check(self) -> Sequence[Finding]:
        return await self._thread.run(findings, self._settings)

    async def close(self) -> None:
        if self._opening is not None:
            # A cancelled connect leaves its thread at work; what it opens is ours to close.
            await asyncio.wait([self._opening])
            if self._opening.exception() is None:
                await self._thread.run(self._opening.result().close)
        self._opening = self._database = None
        self._thread.stop()

"""Reads a log: rows in order, positions in the same file, new rows found by looking."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from eventspan import Batch, ConfigError, Context, EndOfStream, Event, NotConnected
from eventspan.endpoint import Finding, Target
from eventspan.event import Position
from eventspan.failpoints import failpoint
from eventspan.ledger import Ledger
from eventspan.own_thread import OwnThread
from eventspan.owner import current
from eventspan.state import Lease
from eventspan.tracker import Commit
from eventspan_connectors.sqlite import records
from eventspan_connectors.sqlite.config import SourceSettings
from eventspan_connectors.sqlite.database import Database
from eventspan_connectors.sqlite.findings import findings

T = TypeVar("T")
_NO_END = 2**63 - 1


class SqliteSource:
    """One lane, the log; a position is the number of the next record to read."""

    def __init__(self, settings: SourceSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._lane = settings.log
        self._thread = OwnThread("sqlite-source")
        self._ledger = Ledger(self._advance, self._wake, self._thread)
        self._changed = asyncio.Event()
        self._opening: asyncio.Future[int] | None = None
        self._database: Database | None = None
        self._lease: Lease | None = None
        self._epoch = 0
        """Fences a former owner of the consumer, wherever it keeps its leases."""
        self._cursor = 0
        self._stop = _NO_END
        self._paused = False

    async def connect(self) -> None:
        if self._database is not None and self._ledger.failure is None:
            return
        await self._release()
        self._opening = self._thread.start(self._open)
        position = await asyncio.shield(self._opening)
        self._ledger.restart()
        self._assign(position)

    def _open(self) -> int:
        """Take the lease and the consumer; returns the position to go on from."""
        settings, context = self._settings, self._context
        lane = f"{settings.path}#{settings.log}/{settings.consumer}"
        self._lease = context.state.acquire(context.bridge, lane, current())
        self._database = Database(settings.path, settings.busy)
        return self._database.run("IMMEDIATE", self._begin)

    def _begin(self, db: sqlite3.Connection) -> int:
        log, consumer = self._settings.log, self._settings.consumer
        self._epoch = records.take_over(db, log, consumer)
        found = records.position(db, log, consumer)
        if found is not None:
            return found
        first = 0
        if self._settings.start == "latest":
            # Kept at once: a restart must not skip what arrives from now on.
            first = records.end(db)
            records.advance(db, log, consumer, self._epoch, first)
        return first

    def _assign(self, position: int) -> None:
        self._cursor = position
        self._ledger.tracker.assign(self._lane, position)

    async def read(self) -> Batch:
        while True:
            self._changed.clear()
            database = self._connected()
            if not self._paused:
                failpoint("source.before_poll")
                batch = self._ledger.again() or await self._next(database)
                if batch is not None:
                    return batch
                if self._cursor >= self._stop:
                    raise EndOfStream(f"log {self._lane!r} is read to its end")
            await self._wait()

    async def _next(self, database: Database) -> Batch | None:
        settings, first = self._settings, self._cursor
        events = await self._thread.run(
            database.run,
            "DEFERRED",
            partial(
                records.read,
                log=settings.log,
                first=first,
                stop=self._stop,
                limit=settings.batch,
                limit_bytes=settings.batch_bytes,
            ),
        )
        if first != self._cursor or database is not self._database:
            return None
        # Nothing waits from here on, so a cancelled read has taken nothing.
        failpoint("source.after_poll")
        if not events:
            self._cursor = self._stop if self._stop != _NO_END else first
            return None
        return self._tracked(events, first)

    def _tracked(self, events: Sequence[Event], first: int) -> Batch:
        last = events[-1].transport.position
        assert isinstance(last, int)
        self._cursor = last + 1
        span = self._ledger.tracker.span(self._lane, 0, len(events), first, last + 1)
        failpoint("source.after_track")
        return self._ledger.batch(events, [span])

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(None if self._paused else self._settings.poll):
                await self._changed.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        self._changed.set()

    def _advance(self, commits: Sequence[Commit]) -> None:
        database, settings = self._database, self._settings
        if database is None:
            raise NotConnected(f"{settings.path} is closed")
        failpoint("state.before_write")
        for commit in commits:
            move = partial(
                records.advance,
                log=settings.log,
                consumer=settings.consumer,
                epoch=self._epoch,
                position=commit.position,
            )
            database.run("IMMEDIATE", move)
        failpoint("state.after_write")

    def _connected(self) -> Database:
        if self._ledger.failure is not None:
            raise self._ledger.failure
        if self._database is None:
            raise NotConnected(f"{self._settings.path} is not connected")
        return self._database

    async def _run(self, kind: str, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._thread.run(self._connected().run, kind, work)

    async def positions(self) -> Mapping[str, Position | None]:
        log, consumer = self._settings.log, self._settings.consumer
        return {self._lane: await self._run("DEFERRED", lambda db: records.position(db, log, consumer))}

    async def seek(self, targets: Mapping[str, Target]) -> Mapping[str, Position]:
        if unknown := set(targets) - {self._lane}:
            raise ConfigError(f"no lane {min(unknown)!r}; the only one is {self._lane!r}")
        if self._lane not in targets:
            return {}
        became = await self._run("IMMEDIATE", partial(self._seek, target=targets[self._lane]))
        self._ledger.forget(self._lane)
        self._assign(became)
        self._wake()
        return {self._lane: became}

    def _seek(self, db: sqlite3.Connection, target: Target) -> int:
        position = _resolve(db, self._settings.log, target)
        records.advance(db, self._settings.log, self._settings.consumer, self._epoch, position)
        return position

    async def lag(self) -> Mapping[str, int]:
        def count(db: sqlite3.Connection) -> int:
            position = records.position(db, self._settings.log, self._settings.consumer)
            return records.behind(db, self._settings.log, position or 0)

        return {self._lane: await self._run("DEFERRED", count)}

    async def bound(self) -> None:
        self._stop = await self._run("DEFERRED", records.end)
        self._wake()

    async def pause(self) -> None:
        self._paused = True

    async def resume(self) -> None:
        self._paused = False
        self._wake()

    async def browse(self) -> AsyncIterator[Event]:
        settings, at = self._settings, 0
        stop = await self._run("DEFERRED", records.end)
        while events := await self._run("DEFERRED", partial(_page, settings=settings, first=at, stop=stop)):
            for event in events:
                yield event
                assert isinstance(event.transport.position, int)
                at = event.transport.position + 1

    async def check(self) -> Sequence[Finding]:
        return await self._thread.run(findings, self._settings)

    async def close(self) -> None:
        await self._release()
        self._wake()

    async def _release(self) -> None:
        # Each step is noted once it is done: a second close finishes what a cancelled one began.
        if self._opening is not None:
            await asyncio.wait([self._opening])
            self._opening = None
        if self._database is not None:
            await self._ledger.flush()
            self._ledger.tracker.revoke(self._lane)
            await self._thread.run(self._database.close)
            self._database = None
        if self._lease is not None:
            await self._thread.run(self._context.state.release, self._lease)
            self._lease = None
        self._thread.stop()


def _page(db: sqlite3.Connection, settings: SourceSettings, first: int, stop: int) -> Sequence[Event]:
    return records.read(db, settings.log, first, stop, settings.batch, settings.batch_bytes)


def _resolve(db: sqlite3.Connection, log: str, target: Target) -> int:
    if target == "earliest":
        return records.oldest(db, log)
    if target == "latest":
        return records.end(db)
    if isinstance(target, datetime):
        return records.since(db, log, target)
    if not isinstance(target, int) or not 0 <= target <= records.end(db):
        raise ConfigError(f"{target!r} is no position of log {log!r}: 0 to {records.end(db)}")
    return target

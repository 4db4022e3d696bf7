"""Reads files of one event per line; each file is a lane."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from eventspan import Batch, ConfigError, Context, EndOfStream, Event, NotConnected, Span
from eventspan.endpoint import Finding, Target
from eventspan.event import Position as Place
from eventspan.failpoints import failpoint
from eventspan.ledger import Ledger
from eventspan.own_thread import OwnThread
from eventspan.owner import current
from eventspan.state import Lease
from eventspan.tracker import Commit
from eventspan_connectors.file import findings
from eventspan_connectors.file.config import SourceSettings
from eventspan_connectors.file.layout import to_event
from eventspan_connectors.file.position import START, Position
from eventspan_connectors.file.standard import Input
from eventspan_connectors.file.tail import Tail


class Part(NamedTuple):
    """What was read of one file and is not yet taken."""

    tail: Tail | Input
    first: Position
    next: Position
    events: list[Event]


class FileSource:
    """A position is the offset of the next line, and a mark of the bytes before it."""

    def __init__(self, settings: SourceSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._thread = OwnThread("file-source")
        self._ledger = Ledger(self._advance, self._wake, self._thread)
        self._changed = asyncio.Event()
        self._opening: asyncio.Future[None] | None = None
        self._connected = False
        self._tails: dict[str, Tail | Input] = {}
        self._leases: dict[str, Lease] = {}
        self._bounded = False
        self._paused = False

    async def connect(self) -> None:
        if self._connected and self._ledger.failure is None:
            return
        await self._release()
        self._opening = self._thread.start(self._open)
        await asyncio.shield(self._opening)
        self._ledger.restart()
        for name, tail in self._tails.items():
            self._assign(name, tail)
        self._connected = True

    def _open(self) -> None:
        settings = self._settings
        if settings.standard:
            self._tails["-"] = Input(settings.max_line)
            return
        for path in settings.path:
            tail = self._tails[str(path)] = Tail(path, settings.max_line)
            self._leases[tail.name] = self._context.state.acquire(self._context.bridge, tail.name, current())
            tail.at = self._start(tail)

    def _start(self, tail: Tail) -> Position:
        stored = self._context.state.position(self._context.bridge, tail.name)
        if stored is not None:
            return tail.find(stored)
        if self._settings.start == "earliest":
            return START
        # Kept at once: a restart must not skip what arrives from now on.
        at = tail.end()
        self._context.state.advance(self._leases[tail.name], str(at))
        return at

    def _assign(self, name: str, tail: Tail | Input) -> None:
        self._ledger.tracker.assign(name, self._text(tail.at))

    def _text(self, position: Position) -> str | None:
        return None if self._settings.standard else str(position)

    async def read(self) -> Batch:
        while True:
            self._changed.clear()
            tails = self._open_tails()
            if not self._paused:
                failpoint("source.before_poll")
                batch = self._ledger.again() or self._take(await self._thread.run(self._look, tails))
                if batch is not None:
                    return batch
                if all(map(self._at_end, tails)):
                    raise EndOfStream(f"{', '.join(self._tails)[:200]}: read to the end")
            await self._wait()

    def _at_end(self, tail: Tail | Input) -> bool:
        finite = self._bounded or not self._settings.follow or isinstance(tail, Input)
        return finite and tail.ended

    def _look(self, tails: Iterable[Tail | Input]) -> list[Part]:
        """Read a batch ahead without taking it."""
        found, room = list[Part](), self._settings.batch
        for tail in tails:
            first = tail.at
            if room:
                lines, after = tail.lines(room, complete=not self._settings.follow)
                events = [to_event(line.text, tail.name, line.number, line.offset) for line in lines]
                found.append(Part(tail, first, after, events))
                room -= len(events)
        return found

    def _take(self, parts: Iterable[Part]) -> Batch | None:
        """Nothing waits in here, so a cancelled read has taken nothing."""
        failpoint("source.after_poll")
        events, spans = list[Event](), list[Span]()
        for tail, first, after, found in parts:
            if after.offset == first.offset or tail.at != first or self._tails.get(tail.name) is not tail:
                continue
            tail.at, start = after, len(events)
            events += found
            spans.append(
                self._ledger.tracker.span(tail.name, start, len(events), self._text(first), self._text(after))
            )
        failpoint("source.after_track")
        # The first to be read from is another one next time.
        self._tails = dict([*list(self._tails.items())[1:], *list(self._tails.items())[:1]])
        return self._ledger.batch(events, spans) if spans else None

    async def _wait(self) -> None:
        secs = 0.0 if self._settings.standard else self._settings.poll
        try:
            async with asyncio.timeout(None if self._paused else secs):
                await self._changed.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        self._changed.set()

    def _advance(self, commits: Sequence[Commit]) -> None:
        for commit in commits:
            self._context.state.advance(self._leases[commit.lane], commit.position)

    def _open_tails(self) -> list[Tail | Input]:
        if self._ledger.failure is not None:
            raise self._ledger.failure
        if not self._connected:
            raise NotConnected("the files are not open")
        return list(self._tails.values())

    def _files(self) -> dict[str, Tail]:
        return {tail.name: tail for tail in self._open_tails() if isinstance(tail, Tail)}

    async def positions(self) -> Mapping[str, Place | None]:
        self._open_tails()
        return await self._thread.run(self._positions)

    def _positions(self) -> dict[str, Place | None]:
        state, bridge = self._context.state, self._context.bridge
        return {name: state.position(bridge, name) if name != "-" else None for name in sorted(self._tails)}

    async def seek(self, targets: Mapping[str, Target]) -> Mapping[str, Place]:
        files = self._files()
        if unknown := set(targets) - set(files):
            raise ConfigError(f"{min(unknown)!r} is no file that is read here, or it has no positions")
        became = await self._thread.run(self._seek, files, targets)
        for name, position in became.items():
            files[name].at = position
            self._ledger.forget(name)
            self._assign(name, files[name])
        self._wake()
        return {name: str(position) for name, position in became.items()}

    def _seek(self, files: Mapping[str, Tail], targets: Mapping[str, Target]) -> dict[str, Position]:
        became = {name: _resolve(files[name], target) for name, target in targets.items()}
        for name, position in became.items():
            self._context.state.advance(self._leases[name], str(position))
        return became

    async def lag(self) -> Mapping[str, int]:
        files = self._files()
        return await self._thread.run(self._lag, files) if files else {"-": 0}

    def _lag(self, files: Mapping[str, Tail]) -> dict[str, int]:
        stored = self._positions()
        return {name: tail.count(_offset(tail, stored[name])) for name, tail in files.items()}

    async def bound(self) -> None:
        files = self._files()
        follow = self._settings.follow
        for tail in files.values():
            # What is still being written to a file that grows is no line yet.
            tail.stop = await self._thread.run(tail.last_end) if follow else tail.size
        self._bounded = True
        self._wake()

    async def pause(self) -> None:
        self._paused = True

    async def resume(self) -> None:
        self._paused = False
        self._wake()

    async def browse(self) -> AsyncIterator[Event]:
        for path in [tail.path for tail in self._files().values()]:
            tail = await self._thread.run(Tail, path, self._settings.max_line)
            try:
                while (part := (await self._thread.run(self._look, [tail]))[0]).next != tail.at:
                    for event in part.events:
                        yield event
                    tail.at = part.next
            finally:
                tail.close()

    async def check(self) -> Sequence[Finding]:
        return await self._thread.run(findings.read, self._settings)

    async def close(self) -> None:
        await self._release()
        self._wake()

    async def _release(self) -> None:
        # Each step is noted once it is done: a second close finishes what a cancelled one began.
        if self._opening is not None:
            await asyncio.wait([self._opening])
            self._opening = None
        if self._connected:
            await self._ledger.flush()
            self._connected = False
        for name in self._tails:
            self._ledger.tracker.revoke(name)
        await self._thread.run(self._let_go)
        self._thread.stop()

    def _let_go(self) -> None:
        for tail in self._tails.values():
            if isinstance(tail, Tail):
                tail.close()
        self._tails.clear()
        while self._leases:
            name = next(iter(self._leases))
            self._context.state.release(self._leases[name])
            del self._leases[name]


def _resolve(tail: Tail, target: Target) -> Position:
    if target == "earliest":
        return START
    if target == "latest":
        return tail.end()
    if isinstance(target, datetime):
        raise ConfigError(
            f"{tail.name}: a file knows no times", help="seek to earliest, latest or a position"
        )
    return tail.find(target)


def _offset(tail: Tail, stored: Place | None) -> int:
    return 0 if stored is None else tail.find(stored).offset

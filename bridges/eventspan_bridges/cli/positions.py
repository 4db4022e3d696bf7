"""Looks up and sets the positions of the source of one bridge that does not run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from eventspan import ConfigError, Context, EventspanError, PositionLost, Source, owner
from eventspan.endpoint import Positioned, Target
from eventspan.event import Position
from eventspan.state import LeaseTaken, StateStore
from eventspan_bridges.cli import state
from eventspan_bridges.settings import BridgeSettings
from eventspan_bridges.worker import RUN_LANE


@dataclass(frozen=True)
class Move:
    """One lane, and where it is to go on."""

    lane: str
    now: Position | None
    target: Target

    @property
    def becomes(self) -> str:
        return self.target.isoformat() if isinstance(self.target, datetime) else str(self.target)


@dataclass(frozen=True)
class Wish:
    """What the command line asks for."""

    every: Target | None = None
    """For every lane."""
    only: Sequence[str] = ()
    """The lanes ``every`` is limited to; all of them when empty."""
    lanes: Mapping[tuple[str | None, str], Target] = field(default_factory=dict)
    """By bridge, or None for any, and lane."""

    @classmethod
    def of(cls, lanes: Sequence[str], to: str | None, only: Sequence[str]) -> Wish:
        """Raises ``ConfigError`` for what says nothing."""
        if bool(lanes) == bool(to):
            raise ConfigError(
                "say where to go on", help="LANE=POSITION ..., or --to earliest, latest, TIME or @FILE"
            )
        if to is None:
            return cls(lanes=dict(_pair(text) for text in lanes))
        return cls(lanes=dict(_exported(Path(to[1:])))) if to.startswith("@") else cls(target(to), only)

    def of_bridge(self, bridge: str, known: Iterable[str]) -> dict[str, Target]:
        """The lanes of one bridge that are to move."""
        if self.every is not None:
            return dict.fromkeys(self.only or known, self.every)
        return {lane: to for (name, lane), to in self.lanes.items() if name in (None, bridge)}


def target(text: str) -> Target:
    """``earliest``, ``latest``, a time with its zone, or a position."""
    if text == "earliest" or text == "latest":
        return text
    if text.lstrip("-").isdecimal() and text.isascii():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        raise ConfigError(f"{text!r} has no time zone", help="add Z, or +01:00")
    return moment


def _pair(text: str) -> tuple[tuple[None, str], Target]:
    lane, equals, position = text.rpartition("=")
    if not equals or not lane or not position:
        raise ConfigError(f"{text[:80]!r} is no LANE=POSITION")
    return (None, lane), target(position)


def _exported(path: Path) -> Iterator[tuple[tuple[str, str], Target]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', 'not UTF-8')}") from None
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)
            position = found["position"]
            key = (str(found["bridge"]), str(found["lane"]))
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path}:{number}: not a line of `offsets export`") from None
        if position is not None:
            yield key, position


async def read(bridge: BridgeSettings, folder: Path) -> list[dict[str, Any]]:
    """Lane, position and lag of every lane."""
    with _opened(folder) as store:
        async with _source(bridge, folder, store) as source:
            positions, lag = await source.positions(), await source.lag()
    return [
        {"bridge": bridge.name, "lane": lane, "position": position, "lag": lag.get(lane)}
        for lane, position in sorted(positions.items())
    ]


async def plan(bridge: BridgeSettings, folder: Path, wish: Wish) -> list[Move]:
    """What would move. A lane whose position is lost is at none."""
    with _opened(folder) as store, _held(store, bridge.name):
        try:
            async with _source(bridge, folder, store) as source:
                now: Mapping[str, Position | None] = await source.positions()
        except PositionLost:
            now = {}
    return [Move(lane, now.get(lane), to) for lane, to in wish.of_bridge(bridge.name, now).items()]


async def apply(bridge: BridgeSettings, folder: Path, moves: Sequence[Move]) -> Mapping[str, Position]:
    """Set positions; returns what they became."""
    targets = {move.lane: move.target for move in moves}
    with _opened(folder) as store, _held(store, bridge.name):
        try:
            async with _source(bridge, folder, store) as source:
                return await source.seek(targets)
        except PositionLost as error:
            # The source cannot start with what is stored, so what is stored is mended first.
            return _reset(store, bridge.name, targets, error)


def release(folder: Path, name: str) -> None:
    """End the leases of a bridge that are held from another host."""
    with _opened(folder) as store:
        for lane in {RUN_LANE, *store.positions(name)}:
            store.reset(name, lane, store.position(name, lane))
        with _held(store, name):
            return


def _reset(
    store: StateStore, bridge: str, targets: Mapping[str, Target], error: PositionLost
) -> Mapping[str, Position]:
    became: dict[str, Position] = {}
    for lane, to in targets.items():
        if isinstance(to, datetime) or to in ("earliest", "latest"):
            raise ConfigError(f"{error}", help=f"give the position itself: {lane}=POSITION") from error
        became[lane] = to
    for lane, position in became.items():
        store.reset(bridge, lane, position)
    return became


@contextmanager
def _opened(folder: Path) -> Iterator[StateStore]:
    store = state.store(folder)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _held(store: StateStore, bridge: str) -> Iterator[None]:
    """Keep the bridge from being run meanwhile."""
    try:
        lease = store.acquire(bridge, RUN_LANE, owner.current())
    except LeaseTaken as error:
        raise EventspanError(
            f"bridge {bridge} is running: {error}",
            help=f"stop it first; if its host is gone for good: eventspan offsets release {bridge}",
        ) from error
    try:
        yield
    finally:
        store.release(lease)


@asynccontextmanager
async def _source(bridge: BridgeSettings, folder: Path, store: StateStore) -> AsyncIterator[Positioned]:
    end = bridge.source
    assert end.connector.source is not None
    context = Context(
        bridge=bridge.name, side="source", state=store, folder=state.data(folder) / bridge.name / "source"
    )
    source: Source = end.connector.source.build(end.settings, context)
    if not isinstance(source, Positioned):
        raise EventspanError(
            f"bridge {bridge.name}: source ({end.connector.name}) keeps no positions that can be seen or set"
        )
    try:
        await source.connect()
        yield source
    finally:
        await cast(Source, source).close()

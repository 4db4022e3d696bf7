"""Named logs that live as long as the process: what the ends of a bridge in one process share."""

import asyncio
from collections.abc import Sequence
from itertools import count
from zlib import crc32

import msgspec

from eventspan.errors import ConfigError
from eventspan.event import Event, Position

RETAIN = 100_000
"""Settled events a lane keeps, so that a reader can go back to them."""
_SLACK = 1024


class Lane:
    """Events in the order they were written; a position is an index that never changes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.base = 0
        """Position of the oldest event that is kept."""
        self._events: list[Event] = []

    @property
    def end(self) -> int:
        """The position the next event will get."""
        return self.base + len(self._events)

    def append(self, event: Event, address: str) -> None:
        came = msgspec.structs.replace(
            event.transport, address=address, lane=self.name, position=self.end, deliveries=None,
            delivery_limit=None,
        )  # fmt: skip
        self._events.append(Event(came, event.binding, event.fault, event.decoded))

    def slice(self, start: int, stop: int) -> list[Event]:
        return self._events[start - self.base : stop - self.base]

    def trim(self, settled: int) -> None:
        """Forget events far below a position that every reader has settled."""
        surplus = settled - RETAIN - self.base
        if surplus > _SLACK:
            del self._events[:surplus]
            self.base += surplus


class Consumer:
    """How far one named reader has got. The latest source to take it owns it."""

    def __init__(self) -> None:
        self.committed: dict[str, int] = {}
        self.owner: object = None


class Log:
    """Lanes of events, the readers of them, and a way to wait for something to change."""

    def __init__(self, name: str, lanes: int) -> None:
        self.name = name
        self.lanes = {lane.name: lane for lane in (Lane(f"{name}/{n}") for n in range(lanes))}
        self.consumers: dict[str, Consumer] = {}
        self.delivered: dict[tuple[str, str], Position] = {}
        """By bridge and lane of its source: where the newest write ended."""
        self.generation = 0
        """Counts the cuts; a connection made before the last one is gone."""
        self._turn = count()
        self._waiting: set[asyncio.Future[None]] = set()

    def append(self, events: Sequence[Event]) -> None:
        """Take events: a key has one lane, events without a key take turns."""
        lanes = list(self.lanes.values())
        for event in events:
            key = event.transport.key
            number = crc32(key) if key is not None else next(self._turn)
            lanes[number % len(lanes)].append(event, self.name)
        self.wake()

    def committed(self, consumer: Consumer, lane: Lane) -> int:
        """Where a reader stands; the oldest event for one that has settled nothing."""
        return consumer.committed.get(lane.name, lane.base)

    @property
    def backlog(self) -> int:
        """Events that the slowest reader has not settled; all of them while there is none."""
        return sum(lane.end - self._settled(lane) for lane in self.lanes.values())

    def _settled(self, lane: Lane) -> int:
        return min((self.committed(reader, lane) for reader in self.consumers.values()), default=lane.base)

    def advance(self, consumer: Consumer, lane: str, position: int) -> None:
        """Note a reader's new position, and forget what nobody will ask for."""
        consumer.committed[lane] = position
        self.lanes[lane].trim(self._settled(self.lanes[lane]))
        self.wake()

    async def changed(self) -> None:
        """Wait until the log may have changed. Nothing is taken, so it may be cancelled."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    def wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def cut(self) -> None:
        """Drop every connection, as a network would; nothing that was written is lost."""
        self.generation += 1
        self.wake()


_logs: dict[str, Log] = {}


def log(name: str, lanes: int | None = None) -> Log:
    """The log of this name, made when it is first asked for.

    Raises ``ConfigError`` when it has another number of lanes than asked for.
    """
    found = _logs.get(name)
    if found is None:
        found = _logs[name] = Log(name, lanes or 1)
    if lanes is not None and lanes != len(found.lanes):
        raise ConfigError(
            f"log {name!r} has {len(found.lanes)} lane(s), not {lanes}",
            help="give both ends of the log the same number of lanes",
        )
    return found


def peek(name: str) -> Log | None:
    """The log of this name, if anything has used it."""
    return _logs.get(name)


def forget(name: str) -> None:
    """Drop a log and everything in it."""
    _logs.pop(name, None)

"""Acknowledgements in any order become the position that is safe to commit.

Contiguity is counted over the records that were received, never over positions,
which may have gaps. All calls for one tracker come from one thread.
"""

from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from eventspan.batch import Batch, Span
from eventspan.event import Position


class Entry:
    """What one span still owes."""

    __slots__ = ("count", "left", "next")

    def __init__(self, count: int, position: Position | None) -> None:
        self.count = count
        self.left = count
        self.next = position


class Commit(msgspec.Struct, frozen=True):
    """A position that may be made durable, and the epoch in which that is allowed."""

    lane: str
    epoch: int
    position: Position
    serial: int


class Lane:
    """One ordered, separately owned unit: a queue of entries and an epoch."""

    __slots__ = (
        "committed",
        "dirty",
        "entries",
        "epoch",
        "mark",
        "name",
        "owned",
        "pending",
        "serial",
        "settled",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.epoch = 0
        self.owned = False
        self.entries: deque[Entry] = deque()
        self.pending = 0
        """Events received in this epoch and not yet terminal."""
        self.mark: Position | None = None
        """Everything received before it is terminal."""
        self.serial = 0
        """Counts the moves of ``mark``, so that late commits cannot take it back."""
        self.committed: Position | None = None
        self.settled = 0
        """The serial of ``committed``."""
        self.dirty = False

    def assign(self, position: Position | None) -> int:
        """Own the lane from ``position`` on, as its authority gave it; returns the epoch."""
        self._turn(owned=True)
        self.mark = self.committed = position
        return self.epoch

    def revoke(self) -> None:
        """Give the lane up: whatever is unsettled no longer counts here."""
        self._turn(owned=False)

    def _turn(self, *, owned: bool) -> None:
        self.epoch += 1
        self.owned = owned
        self.entries.clear()
        self.pending = 0
        self.dirty = False
        self.serial = self.settled = 0

    def track(self, count: int, position: Position | None) -> Entry:
        """Note ``count`` received events; ``position`` is where reading goes on after them."""
        entry = Entry(count, position)
        self.entries.append(entry)
        self.pending += count
        if not count:
            self._advance()
        return entry

    def settle(self, entry: Entry, count: int) -> None:
        """Note that ``count`` more events of an entry of this epoch are terminal."""
        entry.left -= count
        self.pending -= count
        if self.entries and self.entries[0].left == 0:
            self._advance()

    def _advance(self) -> None:
        entries = self.entries
        while entries and entries[0].left == 0:
            position = entries.popleft().next
            if position is not None:
                self.mark = position
                self.serial += 1
                self.dirty = True


class Tracker:
    """The lanes of one source. ``stale`` counts settlements that came too late to matter."""

    def __init__(self, moved: Callable[[], None] | None = None) -> None:
        self.lanes: dict[str, Lane] = {}
        self.stale = 0
        self._moved = moved
        """Called when some lane has a new position to commit."""

    def assign(self, lane: str, position: Position | None = None) -> int:
        """Own a lane from a position on; returns its new epoch."""
        return self.lanes.setdefault(lane, Lane(lane)).assign(position)

    def revoke(self, lane: str) -> None:
        """Give a lane up. Nothing of its former epoch is committed afterwards."""
        if lane in self.lanes:
            self.lanes[lane].revoke()

    def owns(self, lane: str) -> bool:
        return lane in self.lanes and self.lanes[lane].owned

    @property
    def pending(self) -> int:
        """Events received and not yet terminal, over all lanes."""
        return sum(lane.pending for lane in self.lanes.values())

    def span(self, lane: str, start: int, stop: int, first: Position | None, next: Position | None) -> Span:
        """Track the events ``start`` to ``stop`` of a batch being built."""
        owner = self.lanes[lane]
        entry = owner.track(stop - start, next)
        if owner.dirty and stop == start and self._moved is not None:
            self._moved()
        return Span(lane, owner.epoch, start, stop, first, next, None, entry)

    def settle(self, batch: Batch, reason: Exception | None = None) -> None:
        """A ``Settle`` for batches made of ``span``: a nack leaves everything unsettled."""
        if reason is not None:
            return
        moved = False
        for span, count in zip(batch.spans, batch.counts, strict=True):
            lane = self.lanes[span.lane]
            if span.epoch != lane.epoch:
                self.stale += count
            elif count:
                lane.settle(span.entry, count)
                moved |= lane.dirty
        if moved and self._moved is not None:
            self._moved()

    def commits(self, lanes: Iterable[str] | None = None) -> list[Commit]:
        """Positions to make durable now. Report each with ``committed``."""
        found = []
        for name in self.lanes if lanes is None else lanes:
            lane = self.lanes.get(name)
            if lane is not None and lane.owned and lane.dirty and lane.mark is not None:
                lane.dirty = False
                found.append(Commit(name, lane.epoch, lane.mark, lane.serial))
        return found

    def committed(self, commit: Commit, *, ok: bool) -> None:
        """The outcome of a commit; a failed one is offered again while its epoch lives."""
        lane = self.lanes[commit.lane]
        if commit.epoch != lane.epoch:
            return
        if not ok:
            lane.dirty = True
        elif commit.serial > lane.settled:
            lane.settled = commit.serial
            lane.committed = commit.position

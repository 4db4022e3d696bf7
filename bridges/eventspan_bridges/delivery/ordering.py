"""Gate: which events may be written now, so that none overtakes another of its key."""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Literal, TypeAlias

from eventspan import Event
from eventspan_bridges.delivery.parcel import Parcel

Ordering: TypeAlias = Literal["key", "lane", "none"]
KeyOf: TypeAlias = Callable[[Event], Hashable]


def by_key(event: Event) -> Hashable:
    """The lane and the transport key; without a key, the lane."""
    transport = event.transport
    return (transport.lane, transport.key)


def by_lane(event: Event) -> Hashable:
    """The lane alone."""
    return event.transport.lane


class Gate:
    """Keys that are closed, and what waits behind each.

    A key closes when one of its events has to be written again, and stays closed
    until that event has ended. An ``exclusive`` gate closes a key for every write;
    then ``several`` says whether one write may hold more than one event of a key.
    """

    def __init__(self, ordering: Ordering, *, keeps_order: bool) -> None:
        self._key_of: KeyOf | None = {"key": by_key, "lane": by_lane, "none": None}[ordering]
        self._exclusive = ordering == "lane" or (ordering == "key" and not keeps_order)
        self._several = keeps_order
        self._closed: dict[Hashable, deque[Parcel]] = {}
        self._holders: dict[Hashable, int] = {}
        """For each closed key, how many of its events are written or wait to be."""

    @property
    def free(self) -> bool:
        """Whether everything may pass: nothing needs to be looked at."""
        return not self._closed and not self._exclusive

    @property
    def waiting(self) -> int:
        """Events held back."""
        return sum(len(p) for queue in self._closed.values() for p in queue)

    def admit(self, parcel: Parcel) -> Parcel | None:
        """The part of a parcel that may be written now; the rest waits here."""
        if self.free or self._key_of is None:
            return parcel
        passed: list[int] = []
        held: dict[Hashable, list[int]] = {}
        mine: set[Hashable] = set()
        for at, event in enumerate(parcel.events):
            key = self._key_of(event)
            if key in held or (key in self._closed and not (key in mine and self._several)):
                held.setdefault(key, []).append(at)
                continue
            if self._exclusive:
                self._hold(key)
                mine.add(key)
            passed.append(at)
        for key, positions in held.items():
            self._closed[key].append(parcel.part(positions))
        return self._passed(parcel, passed)

    def _passed(self, parcel: Parcel, positions: list[int]) -> Parcel | None:
        if not positions:
            return None
        admitted = parcel if len(positions) == len(parcel) else parcel.part(positions)
        admitted.held = self._exclusive
        return admitted

    def _hold(self, key: Hashable) -> None:
        self._closed.setdefault(key, deque())
        self._holders[key] = self._holders.get(key, 0) + 1

    def hold(self, parcel: Parcel) -> None:
        """Close the keys of these events until ``ended``, if they are not closed for them already."""
        if self._key_of is not None and not parcel.held:
            parcel.held = True
            for event in parcel.events:
                self._hold(self._key_of(event))

    def retry(self, parcel: Parcel) -> Parcel | None:
        """Close the keys of events that will be written again; returns those whose turn it is.

        What has an earlier event of its key before it, closed in the same way, waits here.
        """
        if self._key_of is None or parcel.held:
            return parcel
        behind: dict[Hashable, list[int]] = {}
        first: list[int] = []
        for at, event in enumerate(parcel.events):
            key = self._key_of(event)
            if key in self._closed:
                behind.setdefault(key, []).append(at)
            else:
                first.append(at)
        for key, positions in behind.items():
            self._closed[key].append(parcel.part(positions))
        mine = parcel.part(first) if behind else parcel
        self.hold(mine)
        return mine if first else None

    def ended(self, parcel: Parcel) -> list[Parcel]:
        """Note that events have ended; returns what may be tried to admit because of it."""
        freed: list[Parcel] = []
        if self._key_of is not None and parcel.held:
            for event in parcel.events:
                freed += self._release(self._key_of(event))
        return freed

    def _release(self, key: Hashable) -> list[Parcel]:
        self._holders[key] -= 1
        if self._holders[key]:
            return []
        del self._holders[key]
        return list(self._closed.pop(key))

    def prune(self) -> None:
        """Leave out what no longer matters because its lane was lost."""
        for key, queue in self._closed.items():
            self._closed[key] = deque(left for parcel in queue if (left := parcel.sift()[0]) is not None)

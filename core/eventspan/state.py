"""StateStore: positions and leases, changed by compare-and-set."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from eventspan.errors import EventspanError, Halted
from eventspan.event import Position


class StateConflict(Halted):
    """Somebody else has moved the position: this owner has lost the lane."""


class LeaseTaken(EventspanError):
    """Another live owner holds the lease."""


class Lease(msgspec.Struct, frozen=True):
    """The right to advance one lane, and the epoch that fences former owners."""

    bridge: str
    lane: str
    owner: str
    epoch: int


class StateStore(Protocol):
    """Durable positions per bridge and lane, and leases over them.

    Every verb blocks for a disk write at most; call it once per batch, off the
    loop. Raises ``PositionLost`` when what is stored cannot be read, with the
    command that resolves it, and never answers with earliest or latest instead.
    """

    def position(self, bridge: str, lane: str) -> Position | None:
        """The stored position; None when none was ever stored."""
        ...

    def positions(self, bridge: str) -> Mapping[str, Position]:
        """Every stored position of a bridge, by lane."""
        ...

    def advance(self, lease: Lease, position: Position) -> None:
        """Store a position; durable when it returns.

        Raises ``StateConflict`` when the lease is no longer the newest of its lane.
        """
        ...

    def reset(self, bridge: str, lane: str, position: Position | None) -> None:
        """Set or forget a position by hand, whoever holds it."""
        ...

    def acquire(self, bridge: str, lane: str, owner: str) -> Lease:
        """Take a lease, or take it over from an owner that is dead.

        ``owner`` names a run, which the processes of one supervisor share. Raises
        ``LeaseTaken`` with a message that names the live owner.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Give a lease up; nothing happens if it was taken over."""
        ...

    def close(self) -> None: ...


class MemoryStore:
    """Positions that last as long as the process: for tests and throw-away bridges."""

    def __init__(self) -> None:
        self._positions: dict[tuple[str, str], Position] = {}
        self._leases: dict[tuple[str, str], Lease] = {}

    def position(self, bridge: str, lane: str) -> Position | None:
        return self._positions.get((bridge, lane))

    def positions(self, bridge: str) -> Mapping[str, Position]:
        return {lane: at for (owner, lane), at in self._positions.items() if owner == bridge}

    def advance(self, lease: Lease, position: Position) -> None:
        newest = self._leases.get((lease.bridge, lease.lane))
        if newest is None or newest.epoch != lease.epoch:
            raise StateConflict(f"lane {lease.lane} of {lease.bridge} has a new owner")
        self._positions[lease.bridge, lease.lane] = position

    def reset(self, bridge: str, lane: str, position: Position | None) -> None:
        if position is None:
            self._positions.pop((bridge, lane), None)
        else:
            self._positions[bridge, lane] = position

    def acquire(self, bridge: str, lane: str, owner: str) -> Lease:
        newest = self._leases.get((bridge, lane))
        if newest is not None and newest.owner not in ("", owner):
            raise LeaseTaken(f"lane {lane} of {bridge} is held by {newest.owner}")
        epoch = newest.epoch + 1 if newest else 1
        self._leases[bridge, lane] = lease = Lease(bridge, lane, owner, epoch)
        return lease

    def release(self, lease: Lease) -> None:
        if self._leases.get((lease.bridge, lease.lane)) == lease:
            free = Lease(lease.bridge, lease.lane, "", lease.epoch)
            self._leases[lease.bridge, lease.lane] = free

    def close(self) -> None:
        """Nothing is held open."""

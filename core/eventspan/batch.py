"""Batch and Span: events acknowledged together, settled exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from eventspan.event import Event, Position


class Span(msgspec.Struct):
    """The part of a batch that came from one lane."""

    lane: str
    epoch: int
    start: int
    """Index of its first event in the batch."""
    stop: int
    """Index after its last event; equal to ``start`` when it only moves a position."""
    first: Position | None = None
    """Position of the first record read, skipped ones included."""
    next: Position | None = None
    """Where reading goes on once everything up to here is terminal."""
    fence: Any = None
    """What a transactional sink needs to refuse a former owner of the lane."""
    entry: Any = None
    """The tracker's own note; nobody else looks at it."""


Settle: TypeAlias = "Callable[[Batch, Exception | None], None]"
"""Called once per batch or part of one: the reason is None for an acknowledgement."""


class Batch:
    """Events that a source hands out together and wants settled.

    ``ack`` and ``nack`` record the outcome without waiting; the source performs it.
    A batch may span lanes, and may be empty and only move a position. Settling it
    twice is a bug in the caller and raises ``RuntimeError``.
    """

    __slots__ = ("_settle", "_taken", "counts", "events", "spans")

    def __init__(self, events: Sequence[Event], spans: Sequence[Span], settle: Settle) -> None:
        self.events = events
        self.spans = spans
        self.counts = [span.stop - span.start for span in spans]
        """How many events of each span this batch still stands for."""
        self._settle: Settle | None = settle
        self._taken: set[int] | None = None

    def ack(self) -> None:
        """Every event is delivered, a confirmed dead letter, or dropped on purpose."""
        self._take()(self, None)

    def nack(self, reason: Exception) -> None:
        """The events are given back, to be offered again if the broker can."""
        self._take()(self, reason)

    @property
    def settled(self) -> bool:
        return self._settle is None

    def indexes(self) -> list[int]:
        """Indexes into ``events`` this batch stands for: all but those split off."""
        taken = self._taken
        return [i for s in self.spans for i in range(s.start, s.stop) if not taken or i not in taken]

    def split(self, indexes: Iterable[int]) -> Batch:
        """Take events out, to be settled on their own.

        Indexes keep the meaning they had when the batch was read, here and in the
        part. Taking an event twice, or from a settled batch, raises ``ValueError``.
        """
        wanted = set(indexes)
        taken = self._taken if self._taken is not None else set[int]()
        if self._settle is None or wanted & taken or not wanted <= set(self.indexes()):
            raise ValueError("an event can be split off once, before its batch is settled")
        self._taken = taken | wanted
        return self._part(wanted)

    def _part(self, wanted: set[int]) -> Batch:
        assert self._settle is not None
        part = Batch(self.events, self.spans, self._settle)
        part._taken = set(range(len(self.events))) - wanted
        for n, span in enumerate(self.spans):
            count = sum(span.start <= i < span.stop for i in wanted)
            part.counts[n] = count
            self.counts[n] -= count
        return part

    def _take(self) -> Settle:
        settle, self._settle = self._settle, None
        if settle is None:
            raise RuntimeError("batch settled twice")
        return settle

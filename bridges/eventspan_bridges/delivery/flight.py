"""Flight: one batch on its way, and what is still owed for each of its records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from eventspan import Batch
from eventspan_bridges.delivery.counters import GRAVITY, Counters, Outcome


class Flight:
    """Counts obligations: one for each record and each sink that must have it.

    As long as whole batches end together it keeps a single number. Once parts end
    on their own it keeps one per record, and acknowledges a record, by splitting
    it off, as soon as nothing is owed for it.
    """

    __slots__ = ("_counters", "_ended", "_gone", "_outcomes", "_owed", "_parcels", "batch", "left")

    def __init__(self, batch: Batch, counters: Counters, ended: Callable[[Flight, int], None]) -> None:
        self.batch = batch
        self.left = len(batch.events)
        """Records not yet ended."""
        self._counters = counters
        self._ended = ended
        """Called with the number of records that have just ended."""
        self._parcels = 1
        self._gone: set[int] = set()
        """Records of lost lanes."""
        self._owed: list[int] | None = None
        self._outcomes: list[Outcome] | None = None

    def owe_all(self, parcels: int) -> None:
        """Every record goes to ``parcels`` sinks."""
        self._parcels = parcels
        if self._gone:
            self.owe([parcels] * len(self.batch.events))

    def owe(self, owed: list[int]) -> None:
        """Record ``i`` ends after ``owed[i]`` deliveries; none may be zero."""
        self._owed = (
            [0 if i in self._gone else number for i, number in enumerate(owed)] if self._gone else owed
        )
        self._outcomes = [Outcome.FILTERED] * len(owed)

    def done_all(self, outcome: Outcome) -> None:
        """One delivery of every record has ended, and all the same way."""
        if self._owed is None and self._parcels > 1 and outcome is Outcome.DELIVERED:
            self._parcels -= 1
        elif self._owed is None and self._parcels == 1:
            self._finish(outcome)
        else:
            self.done(range(len(self.batch.events)), outcome)

    def done(self, indexes: Iterable[int], outcome: Outcome) -> None:
        """One delivery of each of these records has ended; an index may come twice."""
        owed, outcomes = self._by_record()
        finished: list[int] = []
        for index in indexes:
            if not owed[index]:
                continue
            owed[index] -= 1
            if GRAVITY[outcome] > GRAVITY[outcomes[index]]:
                outcomes[index] = outcome
            if not owed[index]:
                finished.append(index)
        if finished:
            self._finish_some(finished, outcomes)

    def drop(self, lanes: Iterable[str]) -> None:
        """Forget the records of lanes that are lost: they are never settled here."""
        owed, outcomes = self._by_record()
        gone = [
            i for s in self.batch.spans if s.lane in lanes for i in range(s.start, s.stop) if owed[i]
        ]  # fmt: skip
        for index in gone:
            owed[index] = 0
            outcomes[index] = Outcome.STALE
        if gone and not self.batch.settled:
            self._gone.update(gone)
            self.batch.split(gone)
            self._count(gone, outcomes)

    @property
    def dropped(self) -> bool:
        """Whether records of lost lanes are among its events."""
        return bool(self._gone)

    def owes(self, index: int) -> bool:
        """Whether a record has not ended."""
        return self.left > 0 if self._owed is None else self._owed[index] > 0

    def touches(self, lanes: Iterable[str]) -> bool:
        """Whether a record of one of these lanes has not ended."""
        return self.left > 0 and any(
            s.lane in lanes and any(self.owes(i) for i in range(s.start, s.stop)) for s in self.batch.spans
        )

    def give_back(self, reason: Exception) -> None:
        """Return what has not ended to the source."""
        if self.left and not self.batch.settled:
            self.batch.nack(reason)

    def _by_record(self) -> tuple[list[int], list[Outcome]]:
        if self._owed is None or self._outcomes is None:
            count = len(self.batch.events)
            self._owed = [self._parcels if self.left else 0] * count
            self._outcomes = [Outcome.FILTERED] * count
        return self._owed, self._outcomes

    def _finish(self, outcome: Outcome) -> None:
        count, self.left = self.left, 0
        self._counters.count(outcome, count)
        self.batch.ack()
        self._ended(self, count)

    def _finish_some(self, finished: Sequence[int], outcomes: list[Outcome]) -> None:
        if len(finished) == self.left:
            self.batch.ack()
        else:
            self.batch.split(finished).ack()
        self._count(finished, outcomes)

    def _count(self, finished: Sequence[int], outcomes: list[Outcome]) -> None:
        self.left -= len(finished)
        for index in finished:
            self._counters.count(outcomes[index], 1)
        self._ended(self, len(finished))

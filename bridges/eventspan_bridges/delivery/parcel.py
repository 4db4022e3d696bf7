"""Parcel: events of one batch on their way to one sink."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from eventspan import Event, Span
from eventspan_bridges.delivery.counters import Outcome
from eventspan_bridges.delivery.flight import Flight


class Parcel:
    """What one ``write`` is given, and where each of its events came from."""

    __slots__ = (
        "attempts",
        "events",
        "first_failure",
        "flight",
        "held",
        "indexes",
        "outcome",
        "spans",
        "then",
        "together",
    )

    def __init__(
        self,
        flight: Flight,
        events: Sequence[Event],
        indexes: Sequence[int] | None = None,
        spans: Sequence[Span] | None = None,
        outcome: Outcome = Outcome.DELIVERED,
    ) -> None:
        self.flight = flight
        self.events = events
        self.indexes = indexes
        """The record of the flight behind each event; None: event ``i`` is record ``i``."""
        self.spans = spans_of(flight, events, indexes) if spans is None else spans
        self.outcome = outcome
        """How its records end once it is durable."""
        self.attempts = 0
        self.first_failure: float | None = None
        """Seconds since 1970 of the first failed attempt."""
        self.together = True
        """False while a refusal is being narrowed down: it is then written on its own."""
        self.held = False
        """Whether the gate counts its events as those their keys wait for."""
        self.then: Callable[[], None] | None = None
        """Called once when everything of it has ended."""

    def __len__(self) -> int:
        return len(self.events)

    def record(self, position: int) -> int:
        """The record behind the event at a position of this parcel."""
        return position if self.indexes is None else self.indexes[position]

    def done(self, positions: Iterable[int] | None = None, outcome: Outcome | None = None) -> None:
        """Note that the events at these positions, or all, need nothing more here."""
        how = outcome or self.outcome
        if positions is None and self.indexes is None:
            self.flight.done_all(how)
        elif positions is None:
            self.flight.done(self.indexes or (), how)
        else:
            self.flight.done([self.record(at) for at in positions], how)
        if positions is None and self.then is not None:
            self.then()

    def part(self, positions: Sequence[int]) -> Parcel:
        """The same parcel with fewer events, in the same order; itself when none is missing."""
        if len(positions) == len(self):
            return self
        events = [self.events[at] for at in positions]
        parcel = Parcel(self.flight, events, [self.record(at) for at in positions], None, self.outcome)
        parcel.attempts, parcel.first_failure = self.attempts, self.first_failure
        parcel.together, parcel.held = self.together, self.held
        return parcel

    def sift(self) -> tuple[Parcel | None, Parcel | None]:
        """What still matters, and what does not because the lane of its record was lost."""
        left = [at for at in range(len(self)) if self.flight.owes(self.record(at))]
        if len(left) == len(self):
            return self, None
        gone = [at for at in range(len(self)) if at not in set(left)]
        return (self.part(left) if left else None), self.part(gone)


def spans_of(flight: Flight, events: Sequence[Event], indexes: Sequence[int] | None) -> Sequence[Span]:
    """Spans over the events of a parcel, from those of its batch."""
    if indexes is None:
        return flight.batch.spans
    found: list[Span] = []
    spans = iter(flight.batch.spans)
    span = next(spans, None)
    for at, index in enumerate(indexes):
        while span is not None and index >= span.stop:
            span = next(spans, None)
        if span is None:
            break
        if found and found[-1].lane == span.lane:
            found[-1].stop = at + 1
        else:
            found.append(Span(span.lane, span.epoch, at, at + 1, fence=span.fence))
    return found

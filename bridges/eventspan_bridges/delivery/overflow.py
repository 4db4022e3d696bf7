"""Optional sinks: a bounded buffer in front, and what is dropped when it is full."""

from collections import deque

from eventspan import Batch, Event
from eventspan_bridges.delivery.counters import Counters
from eventspan_bridges.delivery.flight import Flight
from eventspan_bridges.delivery.outlet import Outlet
from eventspan_bridges.delivery.parcel import Parcel
from eventspan_bridges.settings import Buffer


class Overflow:
    """Takes events nobody waits for, as many as fit.

    They ride in flights of their own, so the record they came from is acknowledged
    without them.
    """

    def __init__(self, outlet: Outlet, buffer: Buffer, counters: Counters) -> None:
        self._outlet = outlet
        self._buffer = buffer
        self._counters = counters
        self._waiting: deque[list[Event]] = deque()
        self._held = 0
        self._written = 0

    def submit(self, events: list[Event]) -> None:
        """Take events, dropping the oldest or the newest beyond the buffer."""
        over = self._held + self._written + len(events) - self._buffer.events
        if over > 0 and self._buffer.when_full == "drop_newest":
            kept = max(0, len(events) - over)
            self._counters.dropped += len(events) - kept
            events = events[:kept]
        elif over > 0:
            events = events[self._drop_oldest(over) :]
        if events:
            self._waiting.append(events)
            self._held += len(events)
            self._pass_on()

    def _drop_oldest(self, over: int) -> int:
        """Drop up to ``over`` events that wait; returns how many of the newest have to go too."""
        while over > 0 and self._waiting:
            first = self._waiting.popleft()
            gone, rest = first[:over], first[over:]
            if rest:
                self._waiting.appendleft(rest)
            over -= len(gone)
            self._held -= len(gone)
            self._counters.dropped += len(gone)
        self._counters.dropped += over
        return over

    def _pass_on(self) -> None:
        # One batch under way at a time: what waits here can still be dropped.
        if self._written or not self._waiting:
            return
        events = self._waiting.popleft()
        self._held -= len(events)
        self._written = len(events)
        flight = Flight(Batch(events, (), lambda batch, reason: None), Counters(), self._ended)
        flight.owe([1] * len(events))
        self._outlet.submit(Parcel(flight, events, range(len(events)), ()))

    def _ended(self, flight: Flight, count: int) -> None:
        self._written -= count
        self._pass_on()

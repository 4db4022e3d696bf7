"""What is owed for a batch, and when its records are acknowledged."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventspan import Batch, Event, Tracker
from eventspan.testing.events import numbered
from eventspan_bridges.delivery.counters import Counters, Outcome
from eventspan_bridges.delivery.flight import Flight


class Upstream:
    """A source's view: which records were acknowledged, dropped or given back."""

    def __init__(self, *sizes: int) -> None:
        self.acked: list[str] = []
        self.nacked: list[str] = []
        self.tracker = Tracker()
        self.counters = Counters(received=sum(sizes))
        self.ended = 0
        events: list[Event] = numbered(sum(sizes))
        spans = []
        for n, size in enumerate(sizes):
            self.tracker.assign(f"lane{n}", 0)
            start = sum(sizes[:n])
            spans.append(self.tracker.span(f"lane{n}", start, start + size, 0, size))
        self.batch = Batch(events, spans, self.settle)
        self.flight = Flight(self.batch, self.counters, self.on_end)

    def settle(self, batch: Batch, reason: Exception | None) -> None:
        self.tracker.settle(batch, reason)
        ids = [batch.events[i].id for i in batch.indexes()]
        (self.acked if reason is None else self.nacked).extend(ids)

    def on_end(self, flight: Flight, count: int) -> None:
        self.ended += count


def test_a_whole_batch_is_one_acknowledgement() -> None:
    up = Upstream(3)
    up.flight.owe_all(2)
    up.flight.done_all(Outcome.DELIVERED)
    assert up.acked == []
    up.flight.done_all(Outcome.DELIVERED)
    assert up.acked == ["0", "1", "2"]
    assert (up.counters.delivered, up.counters.pending, up.ended) == (3, 0, 3)


def test_a_record_is_acknowledged_when_its_last_sink_has_it() -> None:
    up = Upstream(3)
    up.flight.owe_all(2)
    up.flight.done_all(Outcome.DELIVERED)
    up.flight.done([1], Outcome.DELIVERED)
    assert up.acked == ["1"]
    up.flight.done([0, 2], Outcome.DELIVERED)
    assert up.acked == ["1", "0", "2"]
    assert up.tracker.pending == 0


def test_the_gravest_outcome_of_the_parts_counts() -> None:
    up = Upstream(1)
    up.flight.owe([3])
    up.flight.done([0, 0], Outcome.DELIVERED)
    up.flight.done([0], Outcome.DEADLETTERED)
    assert (up.counters.deadlettered, up.counters.delivered) == (1, 0)


def test_records_of_a_lost_lane_are_never_settled() -> None:
    up = Upstream(2, 2)
    up.flight.owe_all(1)
    up.flight.drop({"lane0"})
    up.flight.done_all(Outcome.DELIVERED)
    assert up.acked == ["2", "3"]
    assert (up.counters.stale, up.counters.delivered, up.counters.pending) == (2, 2, 0)
    assert up.tracker.lanes["lane0"].mark == 0


def test_a_lane_may_be_lost_before_anything_is_owed() -> None:
    up = Upstream(1, 1)
    up.flight.drop({"lane1"})
    up.flight.owe_all(1)
    assert not up.flight.owes(1)
    up.flight.done([0, 1], Outcome.DELIVERED)
    assert up.acked == ["0"]
    assert up.counters.pending == 0


def test_what_is_left_is_given_back() -> None:
    up = Upstream(3)
    up.flight.owe_all(1)
    up.flight.done([1], Outcome.DELIVERED)
    up.flight.give_back(RuntimeError("stopping"))
    assert (up.acked, up.nacked) == (["1"], ["0", "2"])
    assert up.counters.pending == 2


def test_touches_only_lanes_with_something_left() -> None:
    up = Upstream(1, 1)
    up.flight.owe_all(1)
    up.flight.done([0], Outcome.DELIVERED)
    assert not up.flight.touches({"lane0"})
    assert up.flight.touches({"lane1"})


@pytest.mark.parametrize("whole_first", [True, False])
@given(data=st.data())
def test_conservation_whatever_ends_when(whole_first: bool, data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    sinks = data.draw(st.integers(1, 3))
    up = Upstream(*sizes)
    total = sum(sizes)
    up.flight.owe_all(sinks)
    steps: list[Callable[[], None]] = []
    for sink in range(sinks):
        if sink == 0 and whole_first:
            steps.append(lambda: up.flight.done_all(Outcome.DELIVERED))
        else:
            steps += [lambda i=i: up.flight.done([i], Outcome.DELIVERED) for i in range(total)]  # type: ignore[misc] # a default binds the loop variable
    for step in data.draw(st.permutations(steps)):
        assert up.counters.pending == up.flight.left
        step()
    assert sorted(up.acked, key=int) == [str(i) for i in range(total)]
    assert up.counters.delivered == total
    assert up.tracker.pending == 0

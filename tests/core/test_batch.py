"""A batch is settled exactly once, whole or in parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventspan.batch import Batch, Span
from eventspan.event import Event, Transport

Settled = list[tuple[Batch, Exception | None]]


def make(*counts: int) -> tuple[Batch, Settled]:
    spans, start = [], 0
    for n, count in enumerate(counts):
        spans.append(Span(f"lane{n}", 1, start, start + count))
        start += count
    settled: Settled = []
    return Batch([Event(Transport())] * start, spans, lambda *outcome: settled.append(outcome)), settled


def test_ack_and_nack_report_once() -> None:
    reason = ValueError("no")
    batch, settled = make(2)
    assert not batch.settled
    batch.ack()
    other, given_back = make(2)
    other.nack(reason)
    assert settled == [(batch, None)]
    assert given_back == [(other, reason)]
    assert batch.settled
    assert other.settled


def settle(batch: Batch, verb: str) -> None:
    if verb == "ack":
        batch.ack()
    else:
        batch.nack(ValueError("no"))


@pytest.mark.parametrize("first", ["ack", "nack"])
@pytest.mark.parametrize("second", ["ack", "nack"])
def test_settling_twice_is_a_bug(first: str, second: str) -> None:
    batch, settled = make(1)
    settle(batch, first)
    with pytest.raises(RuntimeError, match="twice"):
        settle(batch, second)
    assert len(settled) == 1


def test_an_empty_batch_can_be_settled() -> None:
    batch, settled = make(0)
    assert batch.indexes() == []
    batch.ack()
    assert settled == [(batch, None)]


def test_a_part_keeps_indexes_and_counts_per_span() -> None:
    batch, settled = make(2, 3)
    part = batch.split([1, 4])
    assert (part.indexes(), part.counts) == ([1, 4], [1, 1])
    assert (batch.indexes(), batch.counts) == ([0, 2, 3], [1, 2])
    part.ack()
    assert settled == [(part, None)]
    assert not batch.settled


def test_a_part_can_be_split_again() -> None:
    batch, _ = make(4)
    part = batch.split([1, 2, 3])
    piece = part.split([2])
    assert (batch.indexes(), part.indexes(), piece.indexes()) == ([0], [1, 3], [2])
    with pytest.raises(ValueError, match="once"):
        part.split([0])


@pytest.mark.parametrize("indexes", [[0], [0, 1], [3], [-1]])
def test_an_event_is_taken_once(indexes: list[int]) -> None:
    batch, _ = make(3)
    batch.split([0])
    with pytest.raises(ValueError, match="once"):
        batch.split(indexes)
    assert batch.counts == [2]


def test_a_settled_batch_cannot_be_split() -> None:
    batch, _ = make(2)
    batch.ack()
    with pytest.raises(ValueError, match="before"):
        batch.split([0])


@given(st.lists(st.integers(0, 4), max_size=4), st.data())
def test_parts_add_up_to_the_batch(counts: list[int], data: st.DataObject) -> None:
    batch, _ = make(*counts)
    parts = [batch]
    for _ in range(data.draw(st.integers(0, 5))):
        whole = data.draw(st.sampled_from(parts))
        if whole.indexes():
            parts.append(whole.split(data.draw(st.sets(st.sampled_from(whole.indexes())))))
    assert sorted(i for part in parts for i in part.indexes()) == list(range(sum(counts)))
    for n, count in enumerate(counts):
        assert sum(part.counts[n] for part in parts) == count

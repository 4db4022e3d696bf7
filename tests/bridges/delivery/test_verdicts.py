"""What a failed write means for each event."""

import pytest

from eventspan import Halted, NotConnected, PartialWrite, Rejected, SinkTraits
from eventspan_bridges.delivery.verdicts import Connection, judge

PLAIN = SinkTraits()
ATOMIC = SinkTraits(atomic=True)
IDEMPOTENT = SinkTraits(idempotent=True)


@pytest.mark.parametrize("error", [NotConnected("cut"), TimeoutError(), ValueError("a bug")])
def test_ambiguous_errors_are_tried_again_after_a_reconnect(error: Exception) -> None:
    verdict = judge(error, 3, PLAIN)
    assert (verdict.again, verdict.done, verdict.refused) == ([0, 1, 2], [], {})
    assert verdict.connection is Connection.RECONNECT


def test_halted_advances_nothing() -> None:
    verdict = judge(Halted("403"), 2, PLAIN)
    assert (verdict.again, verdict.connection) == ([0, 1], Connection.HALT)


def test_one_rejected_event_is_refused() -> None:
    error = Rejected("too large")
    assert judge(error, 1, PLAIN).refused == {0: error}


@pytest.mark.parametrize(
    ("traits", "parts"),
    [(PLAIN, [[0], [1], [2], [3], [4]]), (ATOMIC, [[0, 1], [2, 3, 4]]), (IDEMPOTENT, [[0, 1], [2, 3, 4]])],
)
def test_a_refusal_of_several_is_narrowed_down(traits: SinkTraits, parts: list[list[int]]) -> None:
    verdict = judge(Rejected("one of them"), 5, traits)
    assert (verdict.narrow, verdict.refused, verdict.again) == (parts, {}, [])


def test_a_partial_write_tells_each_event_apart() -> None:
    refused, later = Rejected("bad"), TimeoutError("busy")
    verdict = judge(PartialWrite({1: refused, 3: later}), 5, PLAIN)
    assert (verdict.done, verdict.refused, verdict.again) == ([0, 2, 4], {1: refused}, [3])
    assert verdict.connection is Connection.FINE


@pytest.mark.parametrize(
    ("why", "connection"), [(NotConnected("x"), Connection.RECONNECT), (Halted("x"), Connection.HALT)]
)
def test_the_gravest_reason_of_a_partial_write_rules(why: Exception, connection: Connection) -> None:
    verdict = judge(PartialWrite({0: TimeoutError(), 1: why}), 2, PLAIN)
    assert (verdict.connection, verdict.reason, verdict.again) == (connection, why, [0, 1])


def test_indexes_outside_the_write_mean_nothing() -> None:
    assert judge(PartialWrite({7: Rejected("?")}), 2, PLAIN).done == [0, 1]

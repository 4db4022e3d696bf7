"""The lines that tell how an end is doing: one per change, and one per reason."""

import pytest

from eventspan import Halted, NotConnected
from eventspan_bridges.status import State, Status


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str | None]]:
    fields = (getattr(record, "fields", {}) for record in caplog.records)
    return [(found["state"], found.get("error")) for found in fields]


def test_reasons_that_take_turns_are_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    status = Status("orders", "source")
    for _ in range(3):
        status.enter(State.RETRYING, NotConnected("refused"))
        status.enter(State.RETRYING, NotConnected("reset"))
    assert told(caplog) == [("retrying", "NotConnected: refused"), ("retrying", "NotConnected: reset")]
    assert status.reason == "NotConnected: reset"


def test_a_reason_is_told_again_after_a_change(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    status = Status("orders", "source")
    for _ in range(2):
        status.enter(State.RUNNING)
        status.enter(State.HALTED, Halted("no permission"))
    assert [state for state, _ in told(caplog)] == ["running", "halted"] * 2

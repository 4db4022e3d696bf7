"""Bridges looked at together: loops, cycles, shared consumers, windows."""

from collections.abc import Sequence
from typing import NoReturn

import pytest

from eventspan.connector import Connector, SinkSpec, SourceSpec, SourceTraits
from eventspan.context import Context
from eventspan.settings import Settings
from eventspan_bridges.settings.check import Checked, check_text
from eventspan_bridges.settings.lint import Resource, overlap
from eventspan_bridges.settings.problems import Problem


class Reading(Settings):
    topics: list[str]
    consumer: str | None = None
    pending: int | None = None

    @property
    def reads(self) -> Sequence[str]:
        return [f"stub://user@Host:1/{topic}" for topic in self.topics]


class Writing(Settings):
    topic: str

    @property
    def writes(self) -> Sequence[str]:
        return [f"stub://host:1/{self.topic}"]


def _unbuilt(settings: Settings, context: Context) -> NoReturn:
    raise AssertionError("a check builds nothing")


def _traits(settings: Reading) -> SourceTraits:
    return SourceTraits(max_pending=settings.pending)


STUB = Connector(
    name="stub", summary="Says what it reads and writes",
    source=SourceSpec(Reading, _unbuilt, refine=_traits),
    sink=SinkSpec(Writing, _unbuilt, destinations=("topic",)),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventspan.registry.load", lambda name: STUB)


def bridge(name: str, reads: str, writes: str, more: str = "") -> str:
    return (
        f"  {name}: {{source: {{type: stub, topics: ['{reads}']}}, sink: {{type: stub, topic: '{writes}'}}, "
        f"dead_letter: stop{more}}}\n"
    )


def problems(*bridges: str) -> tuple[Problem, ...]:
    return check_text(("version: 1\nbridges:\n" + "".join(bridges)).encode(), "f.yaml", {}).problems


def codes(*bridges: str) -> list[str]:
    return [problem.code.id for problem in problems(*bridges)]


@pytest.mark.parametrize("pattern", ["dead", "de*", "^de.d$", "*"])
def test_dead_letters_do_not_go_into_their_own_subscription(pattern: str) -> None:
    def text(topic: str) -> str:
        return bridge("a", topic, "_").replace("dead_letter: stop", "dead_letter: {type: stub, topic: dead}")

    assert "ES507" in codes(text(pattern))
    assert codes(text("orders")) == []


def test_a_sink_does_not_write_what_its_source_reads() -> None:
    assert codes(bridge("a", "in", "in")) == ["ES508"]
    assert codes(bridge("a", "in-*", "in-{{ event.type }}")) == ["ES512"]
    assert codes(bridge("a", "in", "out")) == []


def test_a_cycle_is_an_error_unless_something_may_stop_it() -> None:
    ring = [bridge("a", "1", "2"), bridge("b", "2", "3"), bridge("c", "3", "1")]
    [problem] = problems(*ring)
    assert (problem.code.id, problem.place.line) == ("ES509", 3)
    assert "a -> b -> c -> a" in problem.message
    stopped = bridge("c", "3", "1", ", steps: [{filter: 'event.type == \"a\"'}]")
    assert codes(*ring[:2], stopped) == ["ES512"]
    assert codes(*ring[:2]) == []


def test_two_bridges_do_not_share_a_consumer() -> None:
    def text(name: str, topic: str, consumer: str) -> str:
        return bridge(name, topic, "z").replace("]}", f"], consumer: {consumer}}}", 1)

    assert codes(text("a", "x", "g"), text("b", "x", "g")) == ["ES510"]
    assert codes(text("a", "x", "g"), text("b", "x", "h")) == []
    assert codes(text("a", "x", "g"), text("b", "y", "g")) == []


def test_the_window_is_capped_and_said_so_when_it_was_written() -> None:
    def result(more: str) -> Checked:
        text = bridge("a", "x", "z", more).replace("]}", "], pending: 100}", 1)
        return check_text(("version: 1\nbridges:\n" + text).encode(), "f.yaml", {})

    silent, told = result(""), result(", delivery: {in_flight: 500}")
    assert silent.problems == ()
    assert [problem.code.id for problem in told.problems] == ["ES511"]
    for capped in (silent, told):
        assert capped.accepted()[0].delivery.in_flight == 100


def test_nothing_is_known_of_another_server() -> None:
    assert not overlap([Resource("stub://a", "x")], [Resource("stub://b", "x")])
    assert not overlap([Resource("stub://a", "^(x")], [Resource("stub://a", "x")])

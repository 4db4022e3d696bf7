"""The tracker keeps its invariants, and these tests notice when it does not.

A machine drives the real class beside an oracle that derives what must hold from the
records themselves. The mutants are faults real bridges have had; each must be caught.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eventspan.batch import Batch, Span
from eventspan.event import Event, Transport
from eventspan.tracker import Commit, Entry, Lane, Tracker

LANES = ("a", "b")
RARE = {
    "late settle", "commit out of order", "failed commit", "late commit report", "split batch",
    "batch over two lanes", "empty span", "rewind", "nack",
}  # fmt: skip
REACHED: Counter[str] = Counter()


def reach(state: str) -> None:
    event(state)
    REACHED[state] += 1


@dataclass
class Broker:
    """One lane as its broker sees it, and what this epoch has received of it."""

    committed: int = 0
    end: int = 0
    records: list[int] = field(default_factory=list)
    owned: bool = False
    epoch: int = 0
    start: int = 0
    cursor: int = 0
    received: list[tuple[list[int], int]] = field(default_factory=list)
    """Positions of each span of this epoch, and where reading goes on after it."""
    terminal: set[int] = field(default_factory=set)

    def turn(self, *, owned: bool, position: int) -> None:
        self.epoch += 1
        self.owned, self.start, self.cursor = owned, position, position
        self.received, self.terminal = [], set()

    def safe(self) -> int:
        """The furthest position before which everything received is terminal."""
        at = self.start
        for positions, following in self.received:
            if not self.terminal.issuperset(positions):
                break
            at = following
        return at

    def waiting(self) -> int:
        return sum(len(positions) for positions, _ in self.received) - len(self.terminal)


Owed = tuple[Batch, dict[int, tuple[str, int, int]]]
"""A batch, and the lane, epoch and position of each of its events."""


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.moves = 0
        self.tracker = Tracker(self._moved)
        self.brokers = {name: Broker() for name in LANES}
        self.open: list[Owed] = []
        self.flying: list[Commit] = []
        self.stale = 0
        for name in LANES:
            self._assign(name, 0)

    def _moved(self) -> None:
        self.moves += 1

    def _assign(self, name: str, position: int) -> None:
        broker = self.brokers[name]
        broker.turn(owned=True, position=position)
        broker.committed = position
        assert self.tracker.assign(name, position) == broker.epoch
        assert self.tracker.lanes[name].committed == position

    @rule(name=st.sampled_from(LANES), gaps=st.lists(st.integers(0, 3), min_size=1, max_size=4))
    def produce(self, name: str, gaps: list[int]) -> None:
        broker = self.brokers[name]
        for gap in gaps:
            broker.records.append(broker.end + gap)
            broker.end += gap + 1

    @rule(counts=st.tuples(st.integers(0, 3), st.integers(0, 3)))
    def poll(self, counts: tuple[int, int]) -> None:
        spans: list[Span] = []
        owed: dict[int, tuple[str, int, int]] = {}
        for name, count in zip(LANES, counts, strict=True):
            if self.brokers[name].owned:
                self._fetch(name, count, spans, owed)
        if not spans:
            return
        if len(spans) > 1:
            reach("batch over two lanes")
        batch = Batch([Event(Transport())] * len(owed), spans, self.tracker.settle)
        self.open.append((batch, owed))

    def _fetch(self, name: str, count: int, spans: list[Span], owed: dict[int, tuple[str, int, int]]) -> None:
        broker = self.brokers[name]
        ahead = [p for p in broker.records if p >= broker.cursor]
        taken = ahead[:count]
        following = taken[-1] + 1 if taken else ahead[0] if ahead else broker.end
        if following == broker.cursor:
            return
        if not taken:
            reach("empty span")
        start = len(owed)
        owed.update({start + n: (name, broker.epoch, p) for n, p in enumerate(taken)})
        broker.received.append((taken, following))
        spans.append(self.tracker.span(name, start, len(owed), broker.cursor, following))
        broker.cursor = following

    @rule(name=st.sampled_from(LANES), times=st.integers(1, 3))
    def flow(self, name: str, times: int) -> None:
        """Everything goes well, and commits pile up: alone this almost never comes about."""
        for _ in range(times):
            self.produce(name, [0])
            self.poll((1, 0) if name == "a" else (0, 1))
            if self.open:
                self._ack(self.open.pop())
            self.begin_commit([name])

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        self._ack(self.open.pop(data.draw(st.integers(0, len(self.open) - 1))))

    def _ack(self, owed: Owed) -> None:
        batch, events = owed
        before = [broker.safe() for broker in self.brokers.values()]
        for name, epoch, position in events.values():
            if epoch == self.brokers[name].epoch:
                self.brokers[name].terminal.add(position)
            else:
                reach("late settle")
                self.stale += 1
        moves = self.moves
        batch.ack()
        if [broker.safe() for broker in self.brokers.values()] != before:
            assert self.moves > moves, "a new position was not announced"
        assert batch.settled
        with pytest.raises(RuntimeError):
            batch.ack()

    @precondition(lambda self: self.open)
    @rule(data=st.data(), rare=st.integers(0, 7))
    def nack(self, data: st.DataObject, rare: int) -> None:
        if not rare:
            reach("nack")
            batch, _ = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
            batch.nack(ValueError("given back"))

    @precondition(lambda self: any(len(events) > 1 for _, events in self.open))
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        batch, events = data.draw(st.sampled_from([owed for owed in self.open if len(owed[1]) > 1]))
        indexes = data.draw(st.sets(st.sampled_from(sorted(events)), min_size=1))
        part = batch.split(indexes)
        self.open.append((part, {i: events.pop(i) for i in indexes}))
        assert sorted(part.indexes()) == sorted(indexes)
        reach("split batch")

    @rule(names=st.sampled_from([None, ["a"], ["b"]]))
    def begin_commit(self, names: list[str] | None) -> None:
        for commit in self.tracker.commits(names):
            broker = self.brokers[commit.lane]
            assert broker.owned, "committed after revoke"
            assert (commit.epoch, commit.position) == (broker.epoch, broker.safe())
            self.flying.append(commit)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), ok=st.booleans())
    def end_commit(self, data: st.DataObject, ok: bool) -> None:
        commit = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        broker, lane = self.brokers[commit.lane], self.tracker.lanes[commit.lane]
        self._note(commit, ok)
        before = lane.committed
        self.tracker.committed(commit, ok=ok)
        if commit.epoch != broker.epoch or not ok:
            assert lane.committed == before
        else:
            broker.committed = max(broker.committed, int(commit.position))
        assert not broker.owned or lane.committed == broker.committed, "a commit went backwards"

    def _note(self, commit: Commit, ok: bool) -> None:
        if commit.epoch != self.brokers[commit.lane].epoch:
            reach("late commit report")
        elif not ok:
            reach("failed commit")
        elif commit.serial < self.tracker.lanes[commit.lane].settled:
            reach("commit out of order")

    @rule(name=st.sampled_from(LANES), rare=st.integers(0, 15))
    def revoke(self, name: str, rare: int) -> None:
        broker = self.brokers[name]
        if not rare and broker.owned:
            self.tracker.revoke(name)
            broker.turn(owned=False, position=broker.committed)
            assert not self.tracker.commits([name])

    @precondition(lambda self: not all(broker.owned for broker in self.brokers.values()))
    @rule()
    def assign(self) -> None:
        for name, broker in self.brokers.items():
            if not broker.owned:
                self._assign(name, broker.committed)

    @rule(name=st.sampled_from(LANES), back=st.integers(0, 5), rare=st.integers(0, 15))
    def rewind(self, name: str, back: int, rare: int) -> None:
        if not rare and self.brokers[name].owned:
            reach("rewind")
            self._assign(name, max(0, self.brokers[name].committed - back))

    @invariant()
    def agrees(self) -> None:
        for name, broker in self.brokers.items():
            lane = self.tracker.lanes[name]
            assert self.tracker.owns(name) == broker.owned
            assert lane.epoch == broker.epoch
            assert lane.pending == broker.waiting(), "pending is wrong"
            if broker.owned:
                assert lane.mark == broker.safe(), "the mark is wrong"
                assert broker.committed <= broker.safe(), "committed ahead of what is terminal"
        assert self.tracker.pending == sum(b.waiting() for b in self.brokers.values())
        assert self.tracker.stale == self.stale

    def teardown(self) -> None:
        for owed in self.open:
            self._ack(owed)
        for commit in self.flying:
            self.tracker.committed(commit, ok=False)
        self.agrees()
        offered = {commit.lane: commit.position for commit in self.tracker.commits()}
        for name, broker in self.brokers.items():
            if broker.owned and broker.safe() != broker.committed:
                assert offered.get(name) == broker.safe(), "the last position is never offered"


def check(examples: int) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=60,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )


def test_invariants_hold_in_every_rare_state() -> None:
    REACHED.clear()
    check(200)
    assert set(REACHED) >= RARE, f"never reached: {RARE - set(REACHED)}"


def after(patch: pytest.MonkeyPatch, owner: type, name: str, effect: Callable[..., None]) -> None:
    """Let a method do something more, and wrong, when it has done its work."""
    original = getattr(owner, name)

    def mutated(*args: Any, **options: Any) -> Any:
        result = original(*args, **options)
        effect(*args, **options)
        return result

    patch.setattr(owner, name, mutated)


def move(lane: Lane, position: Any) -> None:
    lane.mark, lane.dirty, lane.serial = position, True, lane.serial + 1


def commit_on_receive(patch: pytest.MonkeyPatch) -> None:
    after(patch, Lane, "track", lambda lane, count, position: move(lane, position))


def furthest_settled(patch: pytest.MonkeyPatch) -> None:
    after(patch, Lane, "settle", lambda lane, entry, count: move(lane, entry.next))


def no_epoch(patch: pytest.MonkeyPatch) -> None:
    def settle(tracker: Tracker, batch: Batch, reason: Exception | None = None) -> None:
        for span in batch.spans:
            span.epoch = tracker.lanes[span.lane].epoch
        original(tracker, batch, reason)

    original = Tracker.settle
    patch.setattr(Tracker, "settle", settle)


def contiguous_positions(patch: pytest.MonkeyPatch) -> None:
    def settle(lane: Lane, entry: Entry, count: int) -> None:
        mark = lane.mark
        original(lane, entry, count)
        if isinstance(mark, int) and isinstance(lane.mark, int) and lane.mark - mark > count:
            lane.mark = mark

    original = Lane.settle
    patch.setattr(Lane, "settle", settle)


def settled_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Batch, "_take", lambda batch: batch._settle)


def off_by_one(patch: pytest.MonkeyPatch) -> None:
    original = Lane.track
    patch.setattr(Lane, "track", lambda lane, count, position: original(lane, count, position - 1))


def leak(patch: pytest.MonkeyPatch) -> None:
    after(patch, Lane, "settle", lambda lane, entry, count: setattr(lane, "pending", lane.pending + count))


def failed_commit_forgotten(patch: pytest.MonkeyPatch) -> None:
    def committed(tracker: Tracker, commit: Commit, *, ok: bool) -> None:
        if ok:
            original(tracker, commit, ok=ok)

    original = Tracker.committed
    patch.setattr(Tracker, "committed", committed)


def commit_after_revoke(patch: pytest.MonkeyPatch) -> None:
    def revoke(tracker: Tracker, name: str) -> None:
        lane = tracker.lanes[name]
        dirty = lane.dirty
        lane.revoke()
        lane.owned, lane.dirty = dirty, dirty

    patch.setattr(Tracker, "revoke", revoke)


def regress(patch: pytest.MonkeyPatch) -> None:
    def last_report_wins(tracker: Tracker, commit: Commit, *, ok: bool) -> None:
        lane = tracker.lanes[commit.lane]
        if ok and commit.epoch == lane.epoch:
            lane.committed = commit.position

    after(patch, Tracker, "committed", last_report_wins)


def late_report_counts(patch: pytest.MonkeyPatch) -> None:
    def committed(tracker: Tracker, commit: Commit, *, ok: bool) -> None:
        lane = tracker.lanes[commit.lane]
        original(tracker, Commit(commit.lane, lane.epoch, commit.position, 10**9), ok=ok)

    original = Tracker.committed
    patch.setattr(Tracker, "committed", committed)


def part_counts_whole(patch: pytest.MonkeyPatch) -> None:
    def settle(tracker: Tracker, batch: Batch, reason: Exception | None = None) -> None:
        batch.counts = [span.stop - span.start for span in batch.spans]
        original(tracker, batch, reason)

    original = Tracker.settle
    patch.setattr(Tracker, "settle", settle)


MUTANTS = (
    commit_on_receive, furthest_settled, no_epoch, contiguous_positions, settled_twice, off_by_one, leak,
    failed_commit_forgotten, commit_after_revoke, regress, late_report_counts, part_counts_whole,
)  # fmt: skip


@pytest.mark.parametrize("mutate", MUTANTS)
def test_a_mutant_is_caught(
    mutate: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(600)

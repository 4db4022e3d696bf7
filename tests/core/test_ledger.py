"""Acknowledgements become positions off the loop, in order, and none is swallowed."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from eventspan.ledger import Ledger
from eventspan.own_thread import OwnThread
from eventspan.testing import numbered
from eventspan.tracker import Commit


class Disk:
    """Takes positions when it is let, or fails."""

    def __init__(self) -> None:
        self.stored: list[object] = []
        self.free = threading.Event()
        self.free.set()
        self.error: Exception | None = None

    def __call__(self, commits: Sequence[Commit]) -> None:
        assert self.free.wait(10)
        if self.error is not None:
            raise self.error
        self.stored += [commit.position for commit in commits]


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def woken() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def ledger(disk: Disk, woken: asyncio.Event) -> Ledger:
    found = Ledger(disk, woken.set, OwnThread("test"))
    found.tracker.assign("l", 0)
    return found


async def test_commits_are_coalesced_while_one_is_under_way(ledger: Ledger, disk: Disk) -> None:
    disk.free.clear()
    for n in range(0, 20, 2):
        span = ledger.tracker.span("l", 0, 2, n, n + 2)
        ledger.batch(numbered(2, n), [span]).ack()
        await asyncio.sleep(0)
    disk.free.set()
    await ledger.flush()
    assert disk.stored == [2, 20]
    assert ledger.tracker.lanes["l"].committed == 20


async def test_a_failure_is_kept_wakes_the_reader_and_is_repaired(
    ledger: Ledger, disk: Disk, woken: asyncio.Event
) -> None:
    disk.error = OSError("full")
    ledger.batch(numbered(2), [ledger.tracker.span("l", 0, 2, 0, 2)]).ack()
    async with asyncio.timeout(10):
        await woken.wait()
    assert ledger.failure is disk.error
    disk.error = None
    ledger.restart()
    await ledger.flush()
    assert disk.stored == [2]


async def test_what_is_given_back_comes_again_within_its_epoch(ledger: Ledger, woken: asyncio.Event) -> None:
    whole = ledger.batch(numbered(3), [ledger.tracker.span("l", 0, 3, 0, 3)])
    part = whole.split([1])
    part.nack(ConnectionError())
    assert woken.is_set()
    again = ledger.again()
    assert again is not None
    assert [event.id for event in again.events] == ["1"]
    assert ledger.again() is None
    whole.ack()
    again.ack()
    await ledger.flush()
    assert ledger.tracker.lanes["l"].committed == 3
    late = ledger.batch(numbered(1), [ledger.tracker.span("l", 0, 1, 3, 4)])
    late.nack(ConnectionError())
    ledger.tracker.assign("l", 3)
    assert ledger.again() is None


async def test_calls_run_in_order_in_one_thread_that_ends() -> None:
    own = OwnThread("only")
    names = await asyncio.gather(*(own.run(threading.current_thread) for _ in range(5)))
    assert len(set(names)) == 1
    own.stop()
    names[0].join(10)
    assert not names[0].is_alive()
    assert await own.run(int, "7") == 7
    own.stop()

"""Three workers share a group, and every few seconds one joins or leaves: lanes are handed over settled."""

import itertools
import time
from collections.abc import Callable

import pytest

from harness.bridge_process import BridgeProcess
from harness.counts import scaled
from harness.crossing import Crossing

pytestmark = [pytest.mark.broker("kafka"), pytest.mark.broker("rabbitmq")]

SECS = scaled(full=120, ci=20)
EVERY_SECS = 5
RATE = 1_000


def test_workers_that_come_and_go(cross: Callable[..., Crossing], record: Callable[..., None]) -> None:
    crossing = cross("kafka-amqp", source={"batch": 100}, keys=60)
    names = (f"worker-{n}" for n in itertools.count())
    workers = [crossing.worker(state=next(names)) for _ in range(2)]
    crossing.load(workers[0], SECS * RATE, RATE)
    changes, begun = 0, time.monotonic()
    while time.monotonic() < begun + SECS - EVERY_SECS:
        time.sleep(max(0.0, begun + changes * EVERY_SECS - time.monotonic()))  # the rhythm of the fault
        _change(crossing, workers, next(names))
        changes += 1
    crossing.settle(workers[0].alive)
    for worker in workers:
        worker.drained()
    report = crossing.oracle.report()
    record(crossing, report, changes=changes)
    report.check(lives=1)
    assert report.duplicates == 0, "lanes were handed over before they were settled"


def _change(crossing: Crossing, workers: list[BridgeProcess], name: str) -> None:
    """Let a third worker join, or the one that is there longest leave."""
    if len(workers) < 3:
        workers.append(crossing.worker(state=name))
    else:
        workers.pop(0).drained()

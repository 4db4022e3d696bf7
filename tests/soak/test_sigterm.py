"""SIGTERM under load: exit 0, nothing pending, and the next run reads nothing twice."""

from collections.abc import Callable

import pytest

from harness.counts import scaled
from harness.crossing import Crossing

pytestmark = [pytest.mark.broker("kafka"), pytest.mark.broker("rabbitmq")]

STOPS = scaled(full=5, ci=2)
EVENTS = scaled(full=20_000, ci=2_000)
RATE = scaled(full=10_000, ci=3_000)
DRAIN_SECS = 30.0


@pytest.mark.parametrize("direction", ["kafka-amqp", "amqp-kafka"])
def test_sigterm(direction: str, cross: Callable[..., Crossing], record: Callable[..., None]) -> None:
    _stop_and_go(cross(direction), record)


def test_sigterm_to_several_processes(cross: Callable[..., Crossing], record: Callable[..., None]) -> None:
    _stop_and_go(cross("kafka-amqp"), record, "--processes", "2")


def _stop_and_go(crossing: Crossing, record: Callable[..., None], *options: str) -> None:
    slowest = 0.0
    for _ in range(STOPS):
        worker = crossing.worker(*options)
        crossing.load(worker, EVENTS, RATE)
        slowest = max(slowest, worker.drained(DRAIN_SECS))
        assert "pending 0" in worker.log.splitlines()[-1], worker.log[-2000:]
    report = crossing.finish(crossing.worker(*options))
    record(crossing, report, slowest_drain=slowest)
    report.check(lives=1)
    assert report.duplicates == 0

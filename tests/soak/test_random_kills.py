"""kill -9 of a worker at random moments, between its deliveries: what failpoints do not think of."""

import random
import time
from collections.abc import Callable

import pytest

from harness.counts import scaled
from harness.crossing import Crossing

pytestmark = [pytest.mark.broker("kafka"), pytest.mark.broker("rabbitmq")]

KILLS = scaled(full=20, ci=4)
EVENTS = scaled(full=10_000, ci=2_000)
"""For each kill."""
RATE = scaled(full=10_000, ci=3_000)


@pytest.mark.parametrize("direction", ["kafka-amqp", "amqp-kafka"])
def test_random_kills(direction: str, cross: Callable[..., Crossing], record: Callable[..., None]) -> None:
    crossing = cross(direction, source={"batch": 100})
    moments = random.Random(crossing.seed)
    in_flight = sum(_kill(crossing, moments.uniform(0.0, 0.3)) for _ in range(KILLS))
    report = crossing.finish(crossing.worker())
    record(crossing, report, in_flight=in_flight)
    report.check(lives=1 + crossing.kills)
    # What comes again was delivered and not yet settled when the kill struck.
    assert in_flight or report.duplicates, "no kill struck while anything was in flight"


def _kill(crossing: Crossing, moment: float) -> bool:
    """Kill a worker under load; returns whether it had not delivered all that was confirmed."""
    worker = crossing.worker()
    crossing.load(worker, EVENTS, RATE)
    time.sleep(moment)  # the moment is the fault, nobody waits for anything
    confirmed = crossing.oracle.status().confirmed
    worker.alive()
    worker.kill9()
    crossing.kills += 1
    return crossing.oracle.catch_up().delivered < confirmed

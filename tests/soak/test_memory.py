"""Memory: little when idle, and no more than the window when nothing can be delivered."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.bridge_process import BridgeProcess
from harness.counts import scaled
from harness.crossing import Crossing
from harness.figures import FIGURES
from harness.proxy import Fault, Proxy

pytestmark = [pytest.mark.broker("kafka"), pytest.mark.broker("rabbitmq")]

IDLE_MIB = 80 * 1_000_000 / 2**20
WINDOW_MIB = 16
GROWTH_MIB = 2 * WINDOW_MIB + 20
EVENTS = scaled(full=1_000_000, ci=100_000)
SIZE = 1024
STEADY_SECS = 3
"""Without growth for so long, it has stopped."""


@pytest.mark.parametrize("direction", ["kafka-amqp", "kafka-kafka"])
def test_an_idle_bridge(direction: str, cross: Callable[..., Crossing], tmp_path: Path) -> None:
    crossing = cross(direction)
    worker = crossing.worker()
    crossing.oracle.feed(1)
    crossing.oracle.wait(lambda now: now.settled, "delivery")
    rss = worker.rss_mib()
    FIGURES.add(f"idle {direction}", tmp_path, {"rss MiB": rss}, {})
    assert rss < IDLE_MIB
    worker.drained()


def test_a_sink_that_takes_nothing(
    cross: Callable[..., Crossing],
    record: Callable[..., None],
    rabbitmq_proxy: Proxy,
    proxied_url: str,
) -> None:
    # Without heartbeats in between, the silent broker is waited for as a slow one would be.
    crossing = cross(
        "kafka-amqp",
        sink={"url": proxied_url, "heartbeat": "1h"},
        bridge={"delivery": {"in_flight": 1_000_000, "in_flight_bytes": f"{WINDOW_MIB}MiB"}},
        size=SIZE,
    )
    worker = crossing.worker()
    crossing.oracle.feed(2_000)
    crossing.oracle.wait(lambda now: now.settled, "delivery while all is well")
    base = worker.rss_mib()
    rabbitmq_proxy.black_hole()
    crossing.oracle.feed(EVENTS)
    peak = _peak_while_feeding(crossing, worker)
    assert rabbitmq_proxy.struck[Fault.BLACK_HOLE] > 0
    waiting = crossing.oracle.status().pending
    rabbitmq_proxy.heal()
    report = crossing.finish(worker)
    record(crossing, report, waiting=waiting, base=base, growth=peak - base)
    report.check()
    assert waiting > EVENTS - 2 * WINDOW_MIB * 1024, "the sink took what it should not have taken"
    assert peak - base < GROWTH_MIB


def _peak_while_feeding(crossing: Crossing, worker: BridgeProcess) -> float:
    """The most memory the worker had until everything was sent and it had stopped growing."""
    peak, since = 0.0, time.monotonic()
    while crossing.oracle.status().feeding or time.monotonic() - since < STEADY_SECS:
        worker.alive()
        now = worker.rss_mib()
        if now > peak:
            peak, since = now, time.monotonic()
    return peak

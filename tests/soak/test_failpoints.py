"""Every failpoint, struck by kill -9 under load, in every direction: nothing is lost, nothing changed."""

import signal
from collections.abc import Callable
from typing import NamedTuple

import pytest

from eventspan.failpoints import NAMES
from harness.bridge_process import BridgeProcess
from harness.counts import scaled
from harness.crossing import Crossing
from harness.oracle import Report
from harness.proxy import Proxy

pytestmark = [pytest.mark.broker("kafka"), pytest.mark.broker("rabbitmq")]

EVENTS = scaled(full=50_000, ci=2_000)
RATE = scaled(full=10_000, ci=3_000)
SLOWLY = RATE / 4
"""So that there is still load when a second worker has started and joined."""
BATCH = scaled(full=500, ci=50)
KILLS = scaled(full=3, ci=1)
DIRECTIONS = ("kafka-amqp", "amqp-kafka")

REPLAYED = {"sink.after_write", "ack.before_commit", "state.before_write"}
"""Struck between a durable write and its acknowledgement: the events have to come again."""


class Cell(NamedTuple):
    """One failpoint, the direction it is passed in, and how often until it strikes."""

    failpoint: str
    direction: str
    hit: int = 1

    def __str__(self) -> str:
        return f"{self.failpoint}-{self.direction}"


def _each(names: str, hit: int) -> list[Cell]:
    return [Cell(name, direction, hit) for name in names.split() for direction in DIRECTIONS]


PASSING = [
    *_each("source.before_poll source.after_poll source.after_track", 8),
    *_each("sink.before_write sink.mid_write sink.after_write", 8),
    *_each("ack.before_commit ack.after_commit", 2),
    *_each("dlq.before dlq.after", 3),
    # The first two are the leases of the run and of the file.
    Cell("state.before_write", "file-kafka", 5),
    Cell("state.after_write", "file-kafka", 5),
]
STOPPING = _each(" ".join(f"shutdown.step{n}" for n in range(1, 9)), 1)
GIVING = [Cell("rebalance.before_revoke", "kafka-amqp"), Cell("rebalance.in_revoke", "kafka-amqp")]
TAKING = [Cell("rebalance.after_assign", "kafka-amqp")]
BREAKING = _each("reconnect.start reconnect.after", 1)
ALL = [*PASSING, *STOPPING, *GIVING, *TAKING, *BREAKING]


def _kill(cell: Cell) -> str:
    return f"{cell.failpoint}=kill9:{cell.hit}"


def _open(cross: Callable[..., Crossing], cell: Cell) -> Crossing:
    source: dict[str, object] = {"batch": BATCH}
    if cell.direction.startswith("kafka"):
        # A member with a name of its own gets its partitions back as soon as it is there again.
        source["instance"] = "worker"
    return cross(cell.direction, source=source, poison=10 if cell.failpoint.startswith("dlq") else 0)


def _struck(crossing: Crossing, worker: BridgeProcess, cell: Cell) -> None:
    """Wait until a worker has died at the failpoint; fails if it does not."""
    status = worker.ended(20.0, f"{cell.failpoint} never struck")
    assert status == -signal.SIGKILL, f"ended with {status} before {cell.failpoint} struck:\n{worker.log}"
    crossing.kills += 1


def _judge(crossing: Crossing, record: Callable[..., None], survivor: BridgeProcess | None = None) -> Report:
    report = crossing.finish(survivor or crossing.worker())
    record(crossing, report)
    report.check(lives=1 + crossing.kills)
    return report


@pytest.mark.parametrize("cell", [*PASSING, *STOPPING], ids=str)
def test_kill_at(cell: Cell, cross: Callable[..., Crossing], record: Callable[..., None]) -> None:
    crossing = _open(cross, cell)
    for _ in range(KILLS):
        worker = crossing.worker(failpoints=_kill(cell))
        crossing.load(worker, EVENTS // KILLS, RATE)
        if cell in STOPPING:
            worker.signal(signal.SIGTERM)
        _struck(crossing, worker, cell)
    report = _judge(crossing, record)
    if cell.failpoint in REPLAYED:
        assert report.duplicates > 0, "nothing came again: it was not struck where it says"


@pytest.mark.parametrize("cell", GIVING, ids=str)
def test_kill_who_gives_up_lanes_at(
    cell: Cell, cross: Callable[..., Crossing], record: Callable[..., None]
) -> None:
    crossing = cross(cell.direction, source={"batch": BATCH})
    for n in range(KILLS):
        giver = crossing.worker(failpoints=_kill(cell), state=f"giver-{n}")
        crossing.load(giver, EVENTS // KILLS, SLOWLY)
        taker = crossing.worker(state=f"taker-{n}")
        _struck(crossing, giver, cell)
        if n < KILLS - 1:
            crossing.settle(taker.alive)
            taker.drained()
    _judge(crossing, record, taker)


@pytest.mark.parametrize("cell", TAKING, ids=str)
def test_kill_who_takes_lanes_at(
    cell: Cell, cross: Callable[..., Crossing], record: Callable[..., None]
) -> None:
    crossing = cross(cell.direction, source={"batch": BATCH})
    giver = crossing.worker()
    for _ in range(KILLS):
        crossing.load(giver, EVENTS // KILLS, SLOWLY)
        _struck(crossing, crossing.worker(state="other", failpoints=_kill(cell)), cell)
        crossing.settle(giver.alive)
    _judge(crossing, record, giver)


@pytest.mark.parametrize("cell", BREAKING, ids=str)
def test_kill_who_reconnects_at(
    cell: Cell,
    cross: Callable[..., Crossing],
    record: Callable[..., None],
    rabbitmq_proxy: Proxy,
    proxied_url: str,
) -> None:
    side = "source" if cell.direction.startswith("amqp") else "sink"
    crossing = cross(cell.direction, **{side: {"url": proxied_url}})
    for _ in range(KILLS):
        worker = crossing.worker(failpoints=_kill(cell))
        crossing.load(worker, EVENTS // KILLS, RATE)
        assert rabbitmq_proxy.reset() > 0, "there was no connection to reset"
        _struck(crossing, worker, cell)
    _judge(crossing, record)


def test_every_failpoint_is_struck() -> None:
    assert {cell.failpoint for cell in ALL} == NAMES

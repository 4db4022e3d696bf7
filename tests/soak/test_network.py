"""A fault proxy before each end: connections reset, cut in the middle, or silent. The bridge goes on."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from harness.bridge_process import BridgeProcess
from harness.counts import scaled
from harness.crossing import Crossing
from harness.kafka import KafkaServer
from harness.ports import free_ports
from harness.proxy import Fault, Proxy

pytestmark = [pytest.mark.broker("kafka"), pytest.mark.broker("rabbitmq")]

ROUNDS = scaled(full=5, ci=1)
EVENTS = scaled(full=20_000, ci=2_000)
"""For each fault."""
RATE = scaled(full=4_000, ci=2_000)
CUTS = (1, 700, 20_000)
_QUICK = {"socket.timeout.ms": 2000, "reconnect.backoff.max.ms": 300}
_AMQP = {"heartbeat": "1s", "connect_timeout": "1s"}


@pytest.fixture(scope="module")
def kafka_behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaServer, Proxy]]:
    """A Kafka that sends the clients of one listener through a fault proxy."""
    port = free_ports(1)[0]
    with Proxy("127.0.0.1", port) as proxy:
        server = KafkaServer(tmp_path_factory.mktemp("kafka"), proxied=(port, proxy.port))
        server.start()
        yield server, proxy
        server.kill9()


@pytest.mark.parametrize(
    ("direction", "side"), [("kafka-amqp", "sink"), ("amqp-kafka", "source")], ids=["sink", "source"]
)
def test_faults_before_rabbitmq(
    direction: str,
    side: str,
    cross: Callable[..., Crossing],
    record: Callable[..., None],
    rabbitmq_proxy: Proxy,
    proxied_url: str,
) -> None:
    crossing = cross(direction, **{side: {"url": proxied_url, **_AMQP}})
    # The broker hands a new connection what is behind before it gives up the one that fell silent,
    # and only then offers what that one held: the order it reads in is no longer that of the queue.
    _endure(crossing, rabbitmq_proxy, record, overtaking=side == "source")


@pytest.mark.parametrize(
    ("direction", "side"), [("amqp-kafka", "sink"), ("kafka-amqp", "source")], ids=["sink", "source"]
)
def test_faults_before_kafka(
    direction: str,
    side: str,
    cross: Callable[..., Crossing],
    record: Callable[..., None],
    kafka_behind_proxy: tuple[KafkaServer, Proxy],
) -> None:
    server, proxy = kafka_behind_proxy
    session = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 400} if side == "source" else {}
    through: dict[str, Any] = {"servers": [f"127.0.0.1:{proxy.port}"], "options": {**_QUICK, **session}}
    crossing = cross(direction, at={"kafka": server.address}, **{side: through})
    proxy.struck.clear()
    _endure(crossing, proxy, record)


def _endure(
    crossing: Crossing, proxy: Proxy, record: Callable[..., None], *, overtaking: bool = False
) -> None:
    worker = crossing.worker()
    for _ in range(ROUNDS):
        for strike in (_reset, _cut, _silence):
            crossing.load(worker, EVENTS, RATE)
            strike(proxy, worker)
            crossing.until_delivering(worker)
    report = crossing.finish(worker)
    struck = {fault.value: proxy.struck[fault] for fault in (Fault.RESET, Fault.CUT, Fault.BLACK_HOLE)}
    record(crossing, report, **struck)
    report.check(overtaking=overtaking)
    assert all(struck.values()), f"a fault never struck: {struck}"


def _reset(proxy: Proxy, worker: BridgeProcess) -> None:
    proxy.reset()


def _cut(proxy: Proxy, worker: BridgeProcess) -> None:
    for size in CUTS:
        struck = proxy.struck[Fault.CUT] + 1
        proxy.cut_after(size)
        worker.until(partial(_has_cut, proxy, struck), 20.0, f"cut after {size} bytes")
    proxy.heal()


def _has_cut(proxy: Proxy, times: int) -> bool:
    return proxy.struck[Fault.CUT] >= times


def _silence(proxy: Proxy, worker: BridgeProcess) -> None:
    """Hold until the bridge has given the silent connection up and tries another one."""
    before = proxy.connections
    proxy.black_hole()
    worker.until(lambda: proxy.connections > before, 30.0, "silence was never noticed")
    proxy.heal()

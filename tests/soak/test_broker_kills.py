"""kill -9 of either broker under load, and a restart on the same data: the bridge goes on by itself."""

from collections.abc import Callable

import pytest

from harness.counts import scaled
from harness.crossing import Crossing
from harness.kafka import KafkaServer
from harness.rabbitmq import RabbitServer

pytestmark = [pytest.mark.broker("kafka"), pytest.mark.broker("rabbitmq")]

KILLS = scaled(full=5, ci=1)
EVENTS = scaled(full=20_000, ci=3_000)
"""For each kill."""
RATE = scaled(full=2_000, ci=1_000)


@pytest.mark.parametrize("victim", ["kafka", "amqp"])
@pytest.mark.parametrize("direction", ["kafka-amqp", "amqp-kafka"])
def test_broker_kill(
    direction: str,
    victim: str,
    cross: Callable[..., Crossing],
    record: Callable[..., None],
    kafka_own: KafkaServer,
    rabbitmq_own: RabbitServer,
) -> None:
    servers: dict[str, KafkaServer | RabbitServer] = {"kafka": kafka_own, "amqp": rabbitmq_own}
    crossing = cross(direction, at={kind: server.address for kind, server in servers.items()})
    rabbitmq_own.sync_definitions()
    worker = crossing.worker()
    downtime = 0.0
    for _ in range(KILLS):
        crossing.load(worker, EVENTS, RATE)
        servers[victim].kill9()
        crossing.kills += 1
        servers[victim].start()
        downtime += crossing.until_delivering(worker)
    report = crossing.finish(worker)
    record(crossing, report, recovery=downtime / KILLS)
    report.check()
    assert report.confirmed > KILLS * EVENTS / 2, "the source was hardly fed"

"""The systems that tests can ask for by `@pytest.mark.broker(name)`."""

import os
import socket
from urllib.parse import urlsplit

from harness.errors import Unavailable
from harness.kafka import KafkaAddress, KafkaServer
from harness.kafka import server as kafka_server
from harness.rabbitmq import Management, RabbitAddress, RabbitServer
from harness.rabbitmq import server as rabbit_server
from harness.shared import System

_MANAGEMENT = "EVENTSPAN_TEST_AMQP_MANAGEMENT"


def _reach(host: str, port: int, variable: str) -> None:
    try:
        socket.create_connection((host, port), 5.0).close()
    except OSError as error:
        raise Unavailable(f"{variable} points at {host}:{port}, which does not answer: {error}") from error


def _attach_kafka(value: str) -> tuple[KafkaAddress, str]:
    host, _, port = value.partition(",")[0].rpartition(":")
    _reach(host, int(port), KAFKA.variable)
    return KafkaAddress(value), "of unknown version"


def _attach_rabbitmq(value: str) -> tuple[RabbitAddress, str]:
    parts = urlsplit(value)
    _reach(parts.hostname or "127.0.0.1", parts.port or 5672, RABBITMQ.variable)
    url = os.environ.get(_MANAGEMENT)
    if not url:
        return RabbitAddress(value), "of unknown version"
    management = Management(url)
    return RabbitAddress(value, management), management.version()


KAFKA: System[KafkaAddress] = System(
    "kafka", "EVENTSPAN_TEST_KAFKA", _attach_kafka, KafkaServer, kafka_server.can_start
)
RABBITMQ: System[RabbitAddress] = System(
    "rabbitmq", "EVENTSPAN_TEST_AMQP", _attach_rabbitmq, RabbitServer, rabbit_server.can_start
)

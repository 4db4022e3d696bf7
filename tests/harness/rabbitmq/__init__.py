"""A real RabbitMQ as a local process: Debian's server, run directly, by any user."""

from harness.rabbitmq.address import RabbitAddress
from harness.rabbitmq.management import Management
from harness.rabbitmq.server import RabbitServer

__all__ = ["Management", "RabbitAddress", "RabbitServer"]

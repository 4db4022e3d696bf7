"""`python -m harness up`: one Kafka and one RabbitMQ that several test runs share while one develops."""

import argparse
import os
import signal
from pathlib import Path

from harness.kafka import KafkaAddress
from harness.process import end_on_sigterm
from harness.rabbitmq import RabbitAddress
from harness.shared import Shared
from harness.systems import KAFKA, RABBITMQ


def main() -> None:
    arguments = _parser().parse_args()
    end_on_sigterm()
    for variable in (KAFKA.variable, RABBITMQ.variable):
        os.environ.pop(variable, None)
    kafka, rabbitmq = Shared(KAFKA), Shared(RABBITMQ)
    try:
        kafka.begin()
        rabbitmq.begin()
        _write(arguments.env_file, kafka.get(), rabbitmq.get())
        print(
            f"kafka {kafka.found}\nrabbitmq {rabbitmq.found}\nvariables in {arguments.env_file}", flush=True
        )
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        kafka.end()
        rabbitmq.end()
        arguments.env_file.unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="harness", description=__doc__)
    parser.add_argument("verb", choices=["up"])
    parser.add_argument("--env-file", type=Path, default=Path("/tmp/eventspan-brokers.env"))
    return parser


def _write(path: Path, kafka: KafkaAddress, rabbitmq: RabbitAddress) -> None:
    """Write the variables as lines that a shell can source."""
    management = rabbitmq.management.url if rabbitmq.management else ""
    path.write_text(
        f"export {KAFKA.variable}={kafka.bootstrap}\n"
        f"export {RABBITMQ.variable}={rabbitmq.url}\n"
        f"export EVENTSPAN_TEST_AMQP_MANAGEMENT={management}\n"
    )


main()

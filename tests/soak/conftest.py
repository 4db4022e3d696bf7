"""What every crash test has: ends of both brokers, crossings between them, and the figures at the end."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from harness.crossing import Crossing, Side, amqp_sink, amqp_source, file_source, kafka_sink, kafka_source
from harness.figures import FIGURES
from harness.kafka import KafkaAddress
from harness.oracle import Report
from harness.proxy import Proxy
from harness.rabbitmq import RabbitAddress

Cross = Callable[..., Crossing]
Settings = Mapping[str, Any]
_NONE: Settings = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    FIGURES.write(terminalreporter)


@pytest.fixture
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    """Call it with the crossing, its report and further figures before they are judged."""

    def keep(crossing: Crossing, report: Report, **more: Any) -> None:
        row: dict[str, float] = {"events": report.confirmed, "kills": crossing.kills, "lost": report.lost}
        row |= {"corrupt": report.corrupt, "overtaken": report.overtaken, "duplicates": report.duplicates}
        row |= {"secs": report.secs, **more}
        FIGURES.add(request.node.name.removeprefix("test_"), tmp_path, row, report.packed())

    return keep


@pytest.fixture
def cross(request: pytest.FixtureRequest, tmp_path: Path, place: str) -> Iterator[Cross]:
    """Build and open a crossing from ends named `kafka`, `amqp` or `file`; it is closed with the test.

    `source` and `sink` hold more settings of the ends, `at` the addresses of other brokers than the shared
    ones, the rest is for `Crossing`; with `poison` there is a sink for dead letters.
    """
    brokers: dict[str, Any] = {}
    with ExitStack() as stack:

        def build(
            direction: str,
            source: Settings = _NONE,
            sink: Settings = _NONE,
            at: Mapping[str, KafkaAddress | RabbitAddress] = _NONE,
            **more: Any,
        ) -> Crossing:
            brokers.update(at)
            first, _, second = direction.partition("-")
            # A message has no key: its subject becomes the record's.
            keyed = {"key_from": "subject"} if (first, second) == ("amqp", "kafka") else {}
            origin, target = _source(first, source), _sink(second, {**keyed, **sink})
            dead = _sink(second, {"suffix": "dead"}) if more.get("poison") else None
            return stack.enter_context(Crossing(tmp_path, origin, target, dead, **more))

        def _source(kind: str, settings: Settings) -> Side:
            if kind == "file":
                return file_source(tmp_path, **settings)
            return _made(kafka_source if kind == "kafka" else amqp_source, kind, settings)

        def _sink(kind: str, settings: Settings) -> Side:
            return _made(kafka_sink if kind == "kafka" else amqp_sink, kind, settings)

        def _made(make: Callable[..., Side], kind: str, settings: Settings) -> Side:
            if kind not in brokers:
                brokers[kind] = request.getfixturevalue({"kafka": "kafka", "amqp": "rabbitmq"}[kind])
            address = brokers[kind]
            return make(address.bootstrap if kind == "kafka" else address.url, place, **settings)

        yield build


@pytest.fixture
def rabbitmq_proxy(rabbitmq: RabbitAddress) -> Iterator[Proxy]:
    """A fault proxy in front of the RabbitMQ all tests share."""
    parts = urlsplit(rabbitmq.url)
    with Proxy(parts.hostname or "127.0.0.1", parts.port or 5672) as proxy:
        yield proxy


@pytest.fixture
def proxied_url(rabbitmq: RabbitAddress, rabbitmq_proxy: Proxy) -> str:
    """How a bridge reaches that RabbitMQ through the proxy."""
    parts = urlsplit(rabbitmq.url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{rabbitmq_proxy.port}"))

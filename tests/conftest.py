"""Fixtures of the real servers, started once per run and only when a selected test asks for them."""

import re
import uuid
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest

from harness import report
from harness.errors import Unavailable
from harness.kafka import KafkaAddress, KafkaServer
from harness.process import end_on_sigterm
from harness.rabbitmq import RabbitAddress, RabbitServer
from harness.shared import AddressT, Shared, System
from harness.systems import KAFKA, RABBITMQ

_kafka = Shared(KAFKA)
_rabbitmq = Shared(RABBITMQ)
_servers: dict[str, Shared[Any]] = {"kafka": _kafka, "rabbitmq": _rabbitmq}


def pytest_configure() -> None:
    end_on_sigterm()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what the selected tests are marked with, all at once, while the other tests run."""
    if session.config.option.collectonly:
        return
    for name in {mark.args[0] for item in session.items for mark in item.iter_markers("broker")}:
        _servers[name].begin()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the servers; on CI a test that did not run for want of one fails the run."""
    for shared in _servers.values():
        shared.end()
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and report.must_be_complete() and report.not_run(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    report.write(terminalreporter, _servers.values())


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """A name nobody else uses, for topics, groups, queues and exchanges of one test."""
    readable = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40]
    return f"{readable}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def kafka() -> KafkaAddress:
    """The Kafka all tests share; use names from `place` in it."""
    return _shared(_kafka)


@pytest.fixture(scope="session")
def rabbitmq() -> RabbitAddress:
    """The RabbitMQ all tests share; use names from `place` in it."""
    return _shared(_rabbitmq)


@pytest.fixture(scope="module")
def kafka_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A Kafka of this module's own, which its tests may kill and restart; each leaves it running."""
    _require_own(KAFKA)
    yield from _running(KafkaServer, tmp_path_factory)


@pytest.fixture(scope="module")
def rabbitmq_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """A RabbitMQ of this module's own, which its tests may kill and restart; each leaves it running."""
    _require_own(RABBITMQ)
    yield from _running(RabbitServer, tmp_path_factory)


def _shared(shared: Shared[AddressT]) -> AddressT:
    try:
        return shared.get()
    except Unavailable as missing:
        pytest.skip(str(missing))


def _require_own(system: System[Any]) -> None:
    """With somebody else's server, one of our own is started only if that downloads nothing."""
    if system.attached is not None and not system.can_start():
        pytest.skip(f"needs a {system.name} it may kill, and {system.variable} points at somebody else's")


_OwnT = TypeVar("_OwnT", KafkaServer, RabbitServer)


def _running(kind: type[_OwnT], folders: pytest.TempPathFactory) -> Iterator[_OwnT]:
    try:
        server = kind(folders.mktemp("server"))
    except Unavailable as missing:
        pytest.skip(str(missing))
    server.start()
    yield server
    server.kill9()
    server.stop()

"""What doctor asks: is everything there that a source or sink needs."""

import socket
from collections.abc import Callable

from eventspan.endpoint import Finding, Level
from eventspan.errors import EventspanError, summary
from eventspan_connectors.kafka.config import Connection, KafkaSink, KafkaSource
from eventspan_connectors.kafka.lookup import Lookup

CONNECT_SECS = 3.0


def source(settings: KafkaSource) -> list[Finding]:
    """Findings of a source, from the name service up to the group."""
    return _network(settings) + _run(f"group {settings.group}", lambda: _look(settings))


def sink(settings: KafkaSink, ask: Callable[[], None]) -> list[Finding]:
    """Findings of a sink; ``ask`` looks at its topic."""
    return _network(settings) + _run(f"topic {settings.topic}", ask)


def _look(settings: KafkaSource) -> None:
    lookup = Lookup(settings)
    try:
        lookup.verify()
    finally:
        lookup.close()


def _network(settings: Connection) -> list[Finding]:
    return [finding for server in settings.servers for finding in _server(server)]


def _server(server: str) -> list[Finding]:
    host, _, port = server.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECS):
            return [Finding(f"tcp {server}", Level.OK, "reachable")]
    except OSError as error:
        kind = "dns" if isinstance(error, socket.gaierror) else "tcp"
        help = "check the address, and that the broker runs"
        return [Finding(f"{kind} {server}", Level.FAILED, error.strerror or str(error), help)]


def _run(subject: str, ask: Callable[[], None]) -> list[Finding]:
    try:
        ask()
    except EventspanError as error:
        return [Finding(subject, Level.FAILED, summary(error), error.help)]
    return [Finding(subject, Level.OK, "found, and permitted")]

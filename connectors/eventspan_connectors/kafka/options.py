"""Options of the client library: those a bridge file may set, and those that are ours."""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from eventspan_connectors.kafka.config import Connection, KafkaSource

Option: TypeAlias = str | bool | int | float

_BOTH = frozenset(
    {
        "client.rack", "socket.timeout.ms", "socket.keepalive.enable", "socket.send.buffer.bytes",
        "socket.receive.buffer.bytes", "socket.connection.setup.timeout.ms", "socket.nagle.disable",
        "broker.address.family", "broker.address.ttl", "connections.max.idle.ms", "client.dns.lookup",
        "reconnect.backoff.ms", "reconnect.backoff.max.ms", "retry.backoff.ms", "retry.backoff.max.ms",
        "metadata.max.age.ms", "topic.metadata.refresh.interval.ms", "receive.message.max.bytes",
        "ssl.cipher.suites", "ssl.curves.list", "ssl.sigalgs.list", "enable.sparse.connections",
    }
)  # fmt: skip
CONSUMER = _BOTH | {
    "session.timeout.ms", "heartbeat.interval.ms", "max.poll.interval.ms", "fetch.min.bytes",
    "fetch.max.bytes", "fetch.wait.max.ms", "fetch.message.max.bytes", "max.partition.fetch.bytes",
    "fetch.error.backoff.ms", "fetch.queue.backoff.ms", "queued.min.messages",
    "queued.max.messages.kbytes", "isolation.level", "check.crcs", "partition.assignment.strategy",
}  # fmt: skip
PRODUCER = _BOTH | {
    "linger.ms", "queue.buffering.max.ms", "compression.type", "compression.codec", "compression.level",
    "batch.size", "batch.num.messages", "queue.buffering.max.messages", "queue.buffering.max.kbytes",
    "queue.buffering.backpressure.threshold", "message.max.bytes", "request.timeout.ms", "partitioner",
    "sticky.partitioning.linger.ms", "max.in.flight", "max.in.flight.requests.per.connection",
}  # fmt: skip
"""Whatever is missing here could load code, read files, reach other hosts or change what an
acknowledgement means."""

_QUIET: dict[str, Any] = {
    "log_level": 2,  # what matters arrives by error_cb; lower levels repeat it several times a second
    "logger": logging.getLogger("eventspan.kafka.client"),
}
_FETCH: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",  # a lost position is an error, never silently the earliest
    "enable.partition.eof": True,  # tells when trailing control records have been passed
    "fetch.queue.backoff.ms": 5,  # the client's own default stalls a fast reader for a second at a time
    "queued.min.messages": 20_000,
    "queued.max.messages.kbytes": 12_288,
    "fetch.max.bytes": 8_388_608,
}
_GROUP: dict[str, Any] = {
    "partition.assignment.strategy": "cooperative-sticky",
    "topic.blacklist": "^__.*",
    "topic.metadata.refresh.interval.ms": 30_000,  # how soon new partitions and topics are seen
}
_PRODUCE: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "message.timeout.ms": 0,  # one message that timed out alone would be overtaken by those behind it
    "topic.metadata.propagation.max.ms": 5_000,
    "linger.ms": 5,
    "queue.buffering.max.kbytes": 131_072,
}


def refuse_unlisted(options: dict[str, Option], allowed: frozenset[str]) -> dict[str, Option]:
    """Raise ``ValueError`` naming the first option that a bridge file may not set."""
    for name in options:
        if name not in allowed:
            raise ValueError(f"option {name[:60]!r} cannot be set; allowed: {', '.join(sorted(allowed))}")
    return options


def connection(settings: "Connection", on_error: Callable[[Any], None]) -> dict[str, Any]:
    """Client configuration every handle shares."""
    found: dict[str, Any] = {
        "bootstrap.servers": ",".join(settings.servers),
        "client.id": "eventspan",
        "error_cb": on_error,
        **_QUIET,
        **_tls(settings),
    }
    if settings.sasl:
        found["sasl.mechanism"] = settings.sasl.mechanism
        found["sasl.username"] = settings.sasl.username
        found["sasl.password"] = settings.sasl.password.reveal()
    return found


def _tls(settings: "Connection") -> dict[str, Any]:
    tls, sasl = settings.tls, settings.sasl
    if not tls:
        return {"security.protocol": "SASL_PLAINTEXT" if sasl else "PLAINTEXT"}
    found: dict[str, Any] = {"security.protocol": "SASL_SSL" if sasl else "SSL"}
    if tls is not True:
        paths = {"ca": tls.ca, "certificate": tls.certificate, "key": tls.key}
        found |= {f"ssl.{name}.location": str(path) for name, path in paths.items() if path}
        found["enable.ssl.certificate.verification"] = not tls.insecure_skip_verify
        if tls.insecure_skip_verify:
            found["ssl.endpoint.identification.algorithm"] = "none"
    return found


def consumer(settings: "KafkaSource", on_error: Callable[[Any], None]) -> dict[str, Any]:
    """Configuration of a consumer that joins the group."""
    found = {**connection(settings, on_error), **_FETCH, **_GROUP, "group.id": settings.group}
    if settings.instance:
        found["group.instance.id"] = settings.instance
    return found | settings.options


def subscription(topics: list[str]) -> list[str]:
    """Topics as the client subscribes to them: a glob is an expression."""
    return [
        f"^{topic.replace('.', '[.]').replace('*', '.*')}$" if "*" in topic and topic[0] != "^" else topic
        for topic in topics
    ]


def reader(settings: "KafkaSource", on_error: Callable[[Any], None]) -> dict[str, Any]:
    """Configuration of a consumer that only looks: it never joins the group."""
    shared = {name: value for name, value in settings.options.items() if name in _BOTH}
    return {**connection(settings, on_error), **_FETCH, "group.id": settings.group} | shared


def producer(
    settings: "Connection", options: Mapping[str, Any], on_error: Callable[[Any], None]
) -> dict[str, Any]:
    """Configuration of an idempotent producer that never gives a message up alone."""
    return {**connection(settings, on_error), **_PRODUCE, **options}

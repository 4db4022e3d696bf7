"""Kafka: topics as lanes of partitions, offsets kept by the consumer group."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from eventspan.connector import Connector, Loss, SinkSpec, SinkTraits, SourceSpec, SourceTraits
from eventspan.errors import ConfigError
from eventspan_connectors.kafka.binding import KafkaBinding
from eventspan_connectors.kafka.config import KafkaSink, KafkaSource
from eventspan_connectors.kafka.sink import Sink
from eventspan_connectors.kafka.source import Source


def url(text: str) -> Mapping[str, Any]:
    """Settings from ``kafka://host:port[,host:port]/topic?group=g``.

    One form serves both ends: a source takes ``topics`` and ``group`` of what is
    returned, a sink ``topic``.
    """
    parts = urlsplit(text)
    topic = unquote(parts.path.strip("/"))
    query = dict(parse_qsl(parts.query))
    unknown = sorted(set(query) - {"group"})
    if parts.scheme != "kafka" or not parts.netloc or not topic or unknown or "@" in parts.netloc:
        raise ConfigError("not a Kafka address", help="write kafka://host:port/topic?group=name")
    servers = [server if ":" in server else f"{server}:9092" for server in parts.netloc.split(",")]
    found: dict[str, Any] = {"servers": servers, "topic": topic, "topics": [topic]}
    return found | query


SOURCE = SourceSpec(KafkaSource, Source, SourceTraits(sortable=True, stable=True, shared=True))
SINK = SinkSpec(KafkaSink, Sink, SinkTraits(keeps_order=True, carries_records=True), destinations=("topic",))

LOSSES = (
    Loss("numbers, booleans, times, tables in headers", "their text; tables as JSON", False),
    Loss(
        "extensions typed Boolean, Integer or Binary",
        "canonical text; `extension_types` on the source gives the type back",
        False,
    ),
    Loss(
        "`priority`, `expiration`, `correlation_id`, `reply_to`, `message_id`, `type`, `app_id`, "
        "`content_encoding` of AMQP",
        "not carried",
        False,
    ),
    Loss("exchange and routing key", "not carried; expressions see them as `transport.address`", False),
)

connector = Connector(
    name="kafka",
    summary="Topics of Apache Kafka and what speaks its protocol",
    source=SOURCE,
    sink=SINK,
    url=url,
    bindings={"binary": KafkaBinding("binary"), "structured": KafkaBinding("structured")},
    losses=LOSSES,
)

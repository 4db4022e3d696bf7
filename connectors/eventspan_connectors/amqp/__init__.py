"""RabbitMQ over AMQP 0-9-1: queues as lanes, exchanges as targets."""

from eventspan.connector import Connector, Loss, SinkSpec, SinkTraits, SourceSpec, SourceTraits
from eventspan_connectors.amqp.binding import AmqpBinding
from eventspan_connectors.amqp.config import AmqpSink, AmqpSource, from_url
from eventspan_connectors.amqp.sink import Sink
from eventspan_connectors.amqp.source import Source


def _source_traits(settings: AmqpSource) -> SourceTraits:
    quorum = settings.declare is not None and settings.declare.type == "quorum"
    return SourceTraits(
        sortable=True,
        shared=True,
        max_pending=settings.prefetch,
        lease_secs=settings.ack_timeout,
        counts_deliveries=quorum or settings.delivery_limit is not None,
    )


def _sink_traits(settings: AmqpSink) -> SinkTraits:
    return SinkTraits(keeps_order=True, carries_records=True, max_event_bytes=settings.max_message)


LOSSES = (
    Loss("the key", "header `eventspan-key`", True),
    Loss(
        "milliseconds of the timestamp",
        "header `eventspan-timestamp`; the property `timestamp` has seconds",
        True,
    ),
    Loss(
        "data that is present but empty",
        "header `eventspan-empty`; without it an empty body is no data",
        True,
    ),
    Loss("headers named `x-…`, `CC` or `BCC`", "the same behind `eventspan-header-`", True),
    Loss("header values that are not UTF-8", "binary values; UTF-8 becomes text", True),
    Loss("header names over 255 bytes", "refused: a dead letter", False),
    Loss("partition and offset", "not carried", False),
)

connector = Connector(
    name="amqp",
    summary="Queues and exchanges of RabbitMQ, by AMQP 0-9-1",
    source=SourceSpec(AmqpSource, Source, SourceTraits(sortable=True, shared=True), _source_traits),
    sink=SinkSpec(
        AmqpSink,
        Sink,
        SinkTraits(keeps_order=True, carries_records=True),
        _sink_traits,
        destinations=("exchange", "routing_key"),
    ),
    url=from_url,
    bindings={"binary": AmqpBinding("binary"), "structured": AmqpBinding("structured")},
    losses=LOSSES,
)

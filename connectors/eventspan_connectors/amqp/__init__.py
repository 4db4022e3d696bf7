"""RabbitMQ over AMQP 0-9-1: queues as lanes, exchanges as targets."""

from eventspan.connector import Connector, SinkSpec, SinkTraits, SourceSpec, SourceTraits
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
)

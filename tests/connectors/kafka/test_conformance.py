"""The conformance kit on a real broker."""

import pytest

from eventspan import Sink, Source
from eventspan.context import Context
from eventspan.testing import RoundTrip
from eventspan_connectors.kafka import SINK, SOURCE
from eventspan_connectors.kafka.config import KafkaSink, KafkaSource
from harness.kafka import KafkaAddress
from harness.kafka.topics import make_topic


@pytest.mark.broker("kafka")
class TestKafka(RoundTrip):
    source_traits = SOURCE.traits
    sink_traits = SINK.traits
    patience = 20.0

    @pytest.fixture(autouse=True)
    def _topic(self, kafka: KafkaAddress, place: str) -> None:
        self.servers = [kafka.bootstrap]
        self.topic = make_topic(kafka.bootstrap, place, config={"max.message.bytes": "2000000"})

    def make_source(self) -> Source:
        settings = KafkaSource(servers=self.servers, topics=[self.topic], group=f"{self.topic}-group")
        return SOURCE.build(settings, Context())

    def make_sink(self) -> Sink:
        return SINK.build(KafkaSink(servers=self.servers, topic=self.topic), Context(side="sinks.all"))

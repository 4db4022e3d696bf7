"""The conformance kit on a real broker."""

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from eventspan import Event, Sink, Source
from eventspan.context import Context
from eventspan.testing import Networked, RoundTrip
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


@pytest.mark.broker("kafka")
class TestKafkaNetwork(Networked):
    """Through a proxy that cuts every connection; what is checked goes around it."""

    source_traits = SOURCE.traits
    sink_traits = SINK.traits
    patience = 20.0

    @pytest.fixture(autouse=True)
    def _topic(self, own: Any, place: str) -> None:
        self.proxy, self.servers = own.proxy, [own.proxied]
        self.topic = make_topic(own.server.bootstrap, place)

    def make_source(self) -> Source:
        settings = KafkaSource(servers=self.servers, topics=[self.topic], group=f"{self.topic}-group")
        return SOURCE.build(settings, Context())

    def make_sink(self) -> Sink:
        return SINK.build(KafkaSink(servers=self.servers, topic=self.topic), Context(side="sinks.all"))

    async def fill(self, events: Sequence[Event]) -> None:
        async with self.writing() as sink:
            await self.write(sink, events)

    async def read_back(self, wanted: Collection[str]) -> list[Event]:
        async with self.reading() as source:
            return [got.event for got in await self.take_ids(source, wanted)]

    async def cut(self) -> None:
        assert self.proxy.reset()

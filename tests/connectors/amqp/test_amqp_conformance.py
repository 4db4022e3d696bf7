"""The conformance kit on a real RabbitMQ: classic and quorum queues."""

from typing import Any, Literal

import pytest

from eventspan import Context
from eventspan.endpoint import Sink, Source
from eventspan.testing.conformance import RoundTrip
from eventspan_connectors.amqp import connector
from harness.rabbitmq import RabbitAddress

assert connector.source is not None
assert connector.sink is not None
SOURCE, SINK = connector.source, connector.sink


class Rabbit(RoundTrip):
    kind: Literal["classic", "quorum"]
    source_traits = SOURCE.traits
    sink_traits = SINK.traits
    headers = (("n", 7), ("b", b"\xff\x00"), ("t", "text"), ("t", "again"), ("none", None), ("yes", True))
    patience = 20.0

    @pytest.fixture(autouse=True)
    def _on(self, rabbitmq: RabbitAddress, place: str) -> None:
        self.url = rabbitmq.url
        self.queue = place

    def make_source(self) -> Source:
        return SOURCE.build(self._settings(SOURCE.settings, queue=self.queue), Context())

    def make_sink(self) -> Sink:
        return SINK.build(self._settings(SINK.settings, routing_key=self.queue), Context(side="sink"))

    def _settings(self, kind: Any, **more: Any) -> Any:
        return kind(url=self.url, declare={"type": self.kind}, **more)


@pytest.mark.broker("rabbitmq")
class TestClassic(Rabbit):
    kind = "classic"


@pytest.mark.broker("rabbitmq")
class TestQuorum(Rabbit):
    kind = "quorum"

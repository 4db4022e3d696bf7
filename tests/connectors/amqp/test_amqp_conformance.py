"""The conformance kit on a real RabbitMQ: classic and quorum queues."""

from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest

from eventspan import Context
from eventspan.endpoint import Endpoint, Sink, Source
from eventspan.testing.conformance import RoundTrip
from eventspan.testing.network import Guarded, Networked
from eventspan_connectors.amqp import connector
from harness.proxy import Proxy
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
class TestClassic(Guarded, Networked, Rabbit):
    kind = "classic"
    secret = "guess-4711"

    @pytest.fixture(autouse=True)
    def _through_a_proxy(self, _on: None, request: pytest.FixtureRequest) -> Iterator[None]:
        """Only where connections are cut: opening and leaving is tested on the broker itself."""
        if request.function.__name__ not in vars(Networked):
            yield
            return
        at = urlsplit(self.url)
        with Proxy(at.hostname or "127.0.0.1", at.port or 5672) as self.proxy:
            self.url = self.url.replace(f"@{at.netloc.rpartition('@')[2]}", f"@127.0.0.1:{self.proxy.port}")
            yield

    async def cut(self) -> None:
        assert self.proxy.reset()

    def make_intruder(self) -> Endpoint:
        host = urlsplit(self.url).netloc.rpartition("@")[2]
        settings = SOURCE.settings(url=f"amqp://guest:{self.secret}@{host}/", queue=self.queue)
        return SOURCE.build(settings, Context())


@pytest.mark.broker("rabbitmq")
class TestQuorum(Rabbit):
    kind = "quorum"

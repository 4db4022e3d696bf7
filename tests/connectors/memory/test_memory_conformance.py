"""The memory connector passes the conformance kit, with one lane and with three."""

from collections.abc import Iterator
from typing import cast
from uuid import uuid4

import pytest

from eventspan import Context, Sink, SinkSpec, Source, SourceSpec
from eventspan.testing import Networked, RoundTrip
from eventspan_connectors.memory import connector
from eventspan_connectors.memory.config import SinkSettings, SourceSettings
from eventspan_connectors.memory.log import forget, log

SOURCE = cast("SourceSpec[SourceSettings]", connector.source)
SINK = cast("SinkSpec[SinkSettings]", connector.sink)


class TestMemory(RoundTrip, Networked):
    lanes = 1
    batch = 20
    quiet = 0.05
    source_traits = SOURCE.traits
    sink_traits = SINK.traits

    @pytest.fixture(autouse=True)
    def place(self) -> Iterator[None]:
        self.name = uuid4().hex
        yield
        forget(self.name)

    def make_source(self) -> Source:
        return SOURCE.build(SourceSettings(name=self.name, lanes=self.lanes, batch=self.batch), Context())

    def make_sink(self) -> Sink:
        return SINK.build(SinkSettings(name=self.name, lanes=self.lanes), Context())

    async def abandon(self, source: Source) -> None:
        """A crash: nobody closes it."""

    async def cut(self) -> None:
        log(self.name, self.lanes).cut()


class TestThreeLanes(TestMemory):
    lanes = 3
    batch = 2


class TestSingleEvents(TestMemory):
    batch = 1


class TestLimited(TestMemory):
    _settings = SinkSettings.model_validate({"name": "any", "max_event": "4KiB"})
    sink_traits = SINK.traits_of(_settings)

    def make_sink(self) -> Sink:
        return SINK.build(self._settings.model_copy(update={"name": self.name}), Context())

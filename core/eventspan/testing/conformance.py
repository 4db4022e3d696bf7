"""Tests that a connector inherits. What its broker cannot do is declared by its traits.

A connector's tests subclass ``RoundTrip``, ``SourceOnly`` or ``SinkOnly``, and
``Networked`` and ``Guarded`` beside it where they apply::

    class TestKafka(RoundTrip, Networked):
        source_traits = connector.source.traits
        sink_traits = connector.sink.traits

        def make_source(self): ...
        def make_sink(self): ...
        async def cut(self): ...

Optional protocols are found on the endpoints; having half of one is a fault.
"""

from collections.abc import Collection, Sequence

import pytest

_MODULES = ("place", "settlement", "lifecycle", "writing", "optional", "network")
pytest.register_assert_rewrite(*(f"eventspan.testing.{module}" for module in _MODULES))

from eventspan.event import Event  # noqa: E402 -- after the rewriting of asserts is asked for
from eventspan.testing.lifecycle import Cancellation, Interruption, Lifecycle  # noqa: E402
from eventspan.testing.network import Guarded, Networked  # noqa: E402
from eventspan.testing.optional import OptionalReading  # noqa: E402
from eventspan.testing.settlement import Settlement  # noqa: E402
from eventspan.testing.writing import Content, Refusal, Writing  # noqa: E402

__all__ = ["Guarded", "Networked", "RoundTrip", "SinkOnly", "SourceOnly"]


class SourceOnly(Settlement, Cancellation, OptionalReading, Lifecycle):
    """For a source: give it ``make_source``, and ``fill`` to write where it reads."""


class SinkOnly(Writing, Refusal, Content, Interruption, Lifecycle):
    """For a sink: give it ``make_sink``, and ``read_back`` to read where it writes."""


class RoundTrip(SourceOnly, SinkOnly):
    """For a source and a sink on the same place: what goes in at one comes out at the other."""

    async def fill(self, events: Sequence[Event]) -> None:
        async with self.writing() as sink:
            await self.write(sink, events)

    async def read_back(self, wanted: Collection[str]) -> list[Event]:
        async with self.reading() as source:
            taken = await self.take_ids(source, wanted)
        return [got.event for got in taken]

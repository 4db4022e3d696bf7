"""The sqlite connector does what every connector does."""

from pathlib import Path

import pytest

from eventspan import Context, Sink, Source
from eventspan.state import MemoryStore
from eventspan.testing import RoundTrip
from eventspan_connectors.sqlite import connector
from eventspan_connectors.sqlite.config import SinkSettings, SourceSettings


class TestSqlite(RoundTrip):
    assert connector.source is not None
    assert connector.sink is not None
    source_traits = connector.source.traits
    sink_traits = connector.sink.traits
    headers = (("a", "text"), ("a", b"\0\xff"), ("n", None), ("i", 7), ("list", [1, b"x"]), ("e", ""))

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "log.db"
        self.context = Context(state=MemoryStore())

    def make_source(self) -> Source:
        assert connector.source is not None
        return connector.source.build(SourceSettings.model_validate({"path": self.path}), self.context)

    def make_sink(self) -> Sink:
        assert connector.sink is not None
        return connector.sink.build(SinkSettings.model_validate({"path": self.path}), self.context)


class TestUnique(TestSqlite):
    assert connector.sink is not None
    sink_traits = connector.sink.traits_of(SinkSettings(path=Path("log.db"), unique=True))

    def make_sink(self) -> Sink:
        assert connector.sink is not None
        settings = SinkSettings.model_validate({"path": self.path, "unique": True})
        return connector.sink.build(settings, self.context)

"""The file connector does what every connector does."""

from pathlib import Path

import pytest

from eventspan import Context, Sink, Source
from eventspan.state import MemoryStore
from eventspan.testing import RoundTrip
from eventspan_connectors.file import connector
from eventspan_connectors.file.config import SinkSettings, SourceSettings


def reads(path: Path, **more: object) -> SourceSettings:
    return SourceSettings.model_validate({"path": [path], **more})


class TestFollowed(RoundTrip):
    """A file that grows, with everything a broker keeps beside an event."""

    assert connector.source is not None
    assert connector.sink is not None
    source_traits = connector.source.traits_of(reads(Path("x"), follow=True))
    sink_traits = connector.sink.traits
    headers = (("a", "text"), ("a", b"\0\xff"), ("n", None), ("i", 7), ("list", [1, b"x"]), ("e", ""))
    follow = True

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "events.jsonl"
        self.path.touch()
        self.context = Context(state=MemoryStore())

    def make_source(self) -> Source:
        assert connector.source is not None
        return connector.source.build(reads(self.path, follow=self.follow, poll="20ms"), self.context)

    def make_sink(self) -> Sink:
        assert connector.sink is not None
        settings = SinkSettings.model_validate({"path": self.path, "record": True})
        return connector.sink.build(settings, self.context)


class TestFinite(TestFollowed):
    """A file that is read to its end."""

    assert connector.source is not None
    source_traits = connector.source.traits_of(reads(Path("x")))
    follow = False

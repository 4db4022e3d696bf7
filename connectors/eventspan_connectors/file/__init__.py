"""Files of one event per line, standard input and standard output."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from eventspan.connector import Connector, SinkSpec, SinkTraits, SourceSpec, SourceTraits
from eventspan_connectors.file.config import SinkSettings, SourceSettings
from eventspan_connectors.file.sink import FileSink
from eventspan_connectors.file.source import FileSource


def _source_traits(settings: SourceSettings) -> SourceTraits:
    ends = settings.standard or not settings.follow
    return SourceTraits(stable=not settings.standard, redelivers=not settings.standard, finite=ends)


def _url(text: str) -> Mapping[str, Any]:
    """``file:path``, ``file:///path`` or ``file:-``."""
    path = text.removeprefix("file:")
    return {"path": unquote(path[2:]) if path.startswith("///") else path}


connector = Connector(
    name="file",
    summary="Files of one event per line, standard input and output",
    source=SourceSpec(SourceSettings, FileSource, SourceTraits(stable=True, finite=True), _source_traits),
    sink=SinkSpec(SinkSettings, FileSink, SinkTraits(keeps_order=True, carries_records=True)),
    url=_url,
)

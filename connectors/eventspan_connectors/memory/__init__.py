"""Logs within the process: for tests, for trying things out, and to chain bridges of one worker."""

from collections.abc import Mapping
from typing import Any

from eventspan.connector import Connector, SinkSpec, SinkTraits, SourceSpec, SourceTraits
from eventspan_connectors.memory.config import SinkSettings, SourceSettings
from eventspan_connectors.memory.sink import MemorySink
from eventspan_connectors.memory.source import MemorySource

_READS = SourceTraits(sortable=True, stable=True)
_WRITES = SinkTraits(keeps_order=True)


def _source_traits(settings: SourceSettings) -> SourceTraits:
    ends = settings.generate is not None and settings.generate.count is not None
    return SourceTraits(sortable=True, stable=True, finite=ends)


def _sink_traits(settings: SinkSettings) -> SinkTraits:
    return SinkTraits(keeps_order=True, max_event_bytes=settings.max_event)


def _url(text: str) -> Mapping[str, Any]:
    return {"name": text.removeprefix("memory:").removeprefix("//")}


connector = Connector(
    name="memory",
    summary="Named logs within this process",
    source=SourceSpec(SourceSettings, MemorySource, _READS, _source_traits),
    sink=SinkSpec(SinkSettings, MemorySink, _WRITES, _sink_traits),
    url=_url,
)

"""Durable logs in a local file: an archive, a buffer, or the store of dead letters."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from eventspan.connector import Connector, SinkSpec, SinkTraits, SourceSpec, SourceTraits
from eventspan_connectors.sqlite.config import SinkSettings, SourceSettings
from eventspan_connectors.sqlite.sink import SqliteSink
from eventspan_connectors.sqlite.source import SqliteSource


def _sink_traits(settings: SinkSettings) -> SinkTraits:
    return SinkTraits(keeps_order=True, atomic=True, carries_records=True, idempotent=settings.unique)


def _url(text: str) -> Mapping[str, Any]:
    """``sqlite:path?log=name``."""
    path, _, query = text.removeprefix("sqlite:").partition("?")
    if path.startswith("///"):
        path = path[2:]
    return {"path": unquote(path), **dict(parse_qsl(query))}


connector = Connector(
    name="sqlite",
    summary="Durable logs in a local file",
    source=SourceSpec(SourceSettings, SqliteSource, SourceTraits(sortable=True, stable=True)),
    sink=SinkSpec(
        SinkSettings,
        SqliteSink,
        SinkTraits(keeps_order=True, atomic=True, carries_records=True),
        _sink_traits,
    ),
    url=_url,
)

"""The framework connectors are written against: its public names."""

from eventspan.batch import Batch, Span
from eventspan.connector import Connector, Loss, SinkSpec, SinkTraits, SourceSpec, SourceTraits
from eventspan.context import Context
from eventspan.endpoint import Sink, Source
from eventspan.errors import (
    ConfigError,
    EndOfStream,
    EventspanError,
    Halted,
    NotConnected,
    PartialWrite,
    PositionLost,
    Rejected,
    Undecodable,
    UnknownConnector,
)
from eventspan.event import Event, Transport
from eventspan.secret import Secret
from eventspan.settings import Settings
from eventspan.tracker import Tracker

__all__ = [
    "Batch",
    "ConfigError",
    "Connector",
    "Context",
    "EndOfStream",
    "Event",
    "EventspanError",
    "Halted",
    "Loss",
    "NotConnected",
    "PartialWrite",
    "PositionLost",
    "Rejected",
    "Secret",
    "Settings",
    "Sink",
    "SinkSpec",
    "SinkTraits",
    "Source",
    "SourceSpec",
    "SourceTraits",
    "Span",
    "Tracker",
    "Transport",
    "Undecodable",
    "UnknownConnector",
]

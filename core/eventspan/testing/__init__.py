"""Doubles, builders and the conformance kit connectors inherit."""

from eventspan.testing.clock import VirtualTimeLoop, virtual_time
from eventspan.testing.conformance import Guarded, Networked, RoundTrip, SinkOnly, SourceOnly
from eventspan.testing.doubles import Collect, Script
from eventspan.testing.events import content, matrix, numbered, spans_of

__all__ = [
    "Collect",
    "Guarded",
    "Networked",
    "RoundTrip",
    "Script",
    "SinkOnly",
    "SourceOnly",
    "VirtualTimeLoop",
    "content",
    "matrix",
    "numbered",
    "spans_of",
    "virtual_time",
]

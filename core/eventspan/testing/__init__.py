"""Doubles, builders and the conformance kit connectors inherit."""

from eventspan.testing.clock import VirtualTimeLoop, virtual_time
from eventspan.testing.doubles import Collect, Script
from eventspan.testing.events import content, matrix, numbered, spans_of

__all__ = [
    "Collect",
    "Script",
    "VirtualTimeLoop",
    "content",
    "matrix",
    "numbered",
    "spans_of",
    "virtual_time",
]

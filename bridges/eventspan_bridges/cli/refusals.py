"""Where the dead letters of a command go: a line on standard error each."""

from collections.abc import Sequence

from eventspan import Event, Span, Undecodable
from eventspan.record import FAILURE
from eventspan_bridges.cli import output


class Refusals:
    """A sink that says why, and counts."""

    def __init__(self) -> None:
        self.count = 0

    async def connect(self) -> None:
        """Standard error is there already."""

    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        for event in events:
            self.count += 1
            output.words(f"error: {_what(event)}{_why(event)}")

    async def close(self) -> None:
        """Nothing is held open."""


def _what(event: Event) -> str:
    try:
        return f"event {event.id}: "
    except Undecodable:
        # Its reason begins with the line it stands in.
        return ""


def _why(event: Event) -> str:
    headers = dict(event.transport.headers)
    reason = headers.get(FAILURE + "reason", b"refused")
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    return text.removeprefix("Undecodable: ").removeprefix("Rejected: ")

"""Appends events to a log of this process."""

from collections.abc import Mapping, Sequence

from eventspan import Context, Event, NotConnected, PartialWrite, Rejected, Span
from eventspan.endpoint import Finding
from eventspan.event import Position
from eventspan_connectors.memory.config import SinkSettings
from eventspan_connectors.memory.findings import findings
from eventspan_connectors.memory.log import Log, log


def size_of(event: Event) -> int:
    """Bytes of its data, or of the raw record while nothing has looked inside."""
    data = event.decoded[1] if event.decoded else event.transport.body
    return len(data or b"")


class MemorySink:
    """Every write is in the log when it returns; one beyond the capacity waits for room."""

    def __init__(self, settings: SinkSettings, context: Context) -> None:
        self._settings = settings
        self._bridge = context.bridge
        self._log: Log | None = None
        self._generation = 0

    async def connect(self) -> None:
        self._log = log(self._settings.name, self._settings.lanes)
        self._generation = self._log.generation

    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        refused = self._refused(events)
        taken = [event for n, event in enumerate(events) if n not in refused]
        target = await self._room(len(taken))
        target.append(taken)
        for span in spans:
            if span.next is not None and not any(span.start <= n < span.stop for n in refused):
                target.delivered[self._bridge, span.lane] = span.next
        if refused:
            raise refused[0] if len(events) == 1 else PartialWrite(refused)

    def _refused(self, events: Sequence[Event]) -> Mapping[int, Exception]:
        limit = self._settings.max_event
        if limit is None:
            return {}
        sizes = map(size_of, events)
        return {
            n: Rejected(f"{size} bytes of data; {limit} is the limit")
            for n, size in enumerate(sizes)
            if size > limit
        }

    async def _room(self, wanted: int) -> Log:
        capacity = self._settings.capacity
        while True:
            target = self._connected()
            backlog = target.backlog if capacity else 0
            # A write larger than the whole log must pass alone, or nothing would ever move.
            if capacity is None or not backlog or backlog + wanted <= capacity:
                return target
            await target.changed()

    def _connected(self) -> Log:
        if self._log is None or self._log.generation != self._generation:
            raise NotConnected(f"log {self._settings.name!r} is not connected")
        return self._log

    async def delivered(self, lane: str) -> Position | None:
        return self._connected().delivered.get((self._bridge, lane))

    async def check(self) -> Sequence[Finding]:
        return findings(self._settings.name, self._settings.lanes)

    async def close(self) -> None:
        target, self._log = self._log, None
        if target is not None:
            target.wake()

"""What a batch becomes: steps, routes, and which sink gets which event."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from eventspan import Batch, Event, Rejected, Transport
from eventspan_bridges.delivery.counters import Outcome
from eventspan_bridges.settings import BridgeSettings, Route, SinkEnd

if TYPE_CHECKING:
    from eventspan_bridges.steps import Step

_EVENT_BYTES = 512
_HEADER_BYTES = 160
"""What one takes in memory, measured: for small events more than their bodies."""


class Refusal(msgspec.Struct):
    """A record that gets no further, and what refused it."""

    index: int
    error: Exception
    stage: str


class Sorted(msgspec.Struct):
    """A batch, told apart. ``size`` is about the memory it takes, in bytes."""

    size: int = 0
    whole: bool = False
    """Every record goes to every sink as it is; nothing else is filled in."""
    owed: list[int] = []
    """Deliveries per record; a refused one counts as one."""
    ended: dict[int, Outcome] = {}
    """Records that need no delivery."""
    refused: list[Refusal] = []
    deliveries: dict[str, tuple[list[Event], list[int]]] = {}
    """Events for each sink, and the record behind each."""


class Sorter:
    """Applies the steps and routes of one bridge to batches, in order."""

    def __init__(self, settings: BridgeSettings, *, counts_deliveries: bool) -> None:
        self._steps = tuple(settings.steps)
        self.asynchronous = any(step.asynchronous for step in self._steps)
        """Whether ``sort`` may wait for a step."""
        self._routes = settings.route
        self._sinks = settings.sinks
        self._required = {name for name, end in settings.sinks.items() if not end.optional}
        self._max_event = settings.limits.max_event
        self._drops_expired = settings.delivery.expired == "drop"
        self._counts_deliveries = counts_deliveries
        self._plain = not (
            self._steps
            or self._routes
            or self._drops_expired
            or self._max_event
            or any(end.optional or end.order_by or end.destination for end in settings.sinks.values())
        )

    async def sort(self, batch: Batch) -> Sorted:
        """Decide what happens to each record. Never raises because of one."""
        size = _beside_bodies(batch.events)
        faulty = False
        for event in batch.events:
            faulty = (
                faulty or event.fault is not None or (self._counts_deliveries and _is_last(event.transport))
            )
            body = event.transport.body
            size += len(body) if body else 0
        if self._plain and not faulty:
            return Sorted(size, whole=True)
        found = Sorted(size)
        found.owed = [0] * len(batch.events)
        for index, event in enumerate(batch.events):
            await self._sort_one(found, index, event)
        return found

    async def _sort_one(self, found: Sorted, index: int, event: Event) -> None:
        stage = "read"
        try:
            self._admit(event)
            events: Sequence[Event] = (event,)
            for step in self._steps:
                stage = step.name
                events = await _apply(step, events)
            stage = "route"
            routed = [(child, self._route(child)) for child in events]
            addressed = [(name, self._address(name, child)) for child, names in routed for name in names]
        except Exception as error:  # noqa: BLE001 -- a step is foreign code; its record becomes a dead letter
            found.refused.append(Refusal(index, _as_rejected(error), stage))
            found.owed[index] = 1
            return
        for name, child in addressed:
            sink = found.deliveries.setdefault(name, ([], []))
            sink[0].append(child)
            sink[1].append(index)
            found.owed[index] += name in self._required
        if not found.owed[index]:
            found.ended[index] = (
                Outcome.EXPIRED if events and not addressed and self._expired(events) else Outcome.FILTERED
            )

    def _admit(self, event: Event) -> None:
        if event.fault is not None:
            raise event.fault
        transport = event.transport
        if self._counts_deliveries and _is_last(transport):
            raise Rejected(f"delivered {transport.deliveries} times, the last the broker allows")
        if self._max_event is not None and len(transport.body or event.data or b"") > self._max_event:
            raise Rejected(f"larger than limits.max_event, {self._max_event} bytes")

    def _route(self, event: Event) -> Sequence[str]:
        if self._drops_expired and self._expired((event,)):
            return ()
        if self._routes is None:
            return tuple(self._sinks)
        for route in self._routes:
            if _matches(route, event):
                return route.to
        return ()

    def _expired(self, events: Sequence[Event]) -> bool:
        return self._drops_expired and all(_is_past(event.attributes.get("expirytime")) for event in events)

    def _address(self, name: str, event: Event) -> Event:
        end = self._sinks[name]
        return event if end.order_by is None and end.destination is None else addressed(end, event)


def _beside_bodies(events: Sequence[Event]) -> int:
    """About how many bytes events take beside their bodies, judged by the first: headers are most of it."""
    return len(events) * (_EVENT_BYTES + _HEADER_BYTES * len(events[0].transport.headers)) if events else 0


def addressed(end: SinkEnd, event: Event) -> Event:
    """The event with the key and destination its sink computes for it."""
    transport = event.transport
    if end.order_by is not None:
        transport = msgspec.structs.replace(transport, key=_key(end.order_by.evaluate(event)))
    destination = None
    if end.destination is not None:
        destination = tuple(t if isinstance(t, str) else t.render(event) for t in end.destination)
    return Event(transport, event.binding, None, event.decoded, destination)


def _key(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str | int | bool):
        return str(value).encode()
    raise Rejected(f"order_by gives {type(value).__name__}, not a text or number")


async def _apply(step: Step, events: Sequence[Event]) -> Sequence[Event]:
    results: list[Event] = []
    for event in events:
        result = step(event)
        if step.asynchronous and inspect.isawaitable(result):
            result = await result
        if isinstance(result, Event):
            results.append(result)
        elif isinstance(result, Sequence):
            results.extend(result)
    return results


def _matches(route: Route, event: Event) -> bool:
    return route.when is None or route.when.test(event)


def _is_last(transport: Transport) -> bool:
    count, limit = transport.deliveries, transport.delivery_limit
    return count is not None and limit is not None and count >= limit


def _is_past(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        return datetime.fromisoformat(text) <= datetime.now(UTC)
    except (ValueError, TypeError):
        return False


def _as_rejected(error: Exception) -> Exception:
    return error if isinstance(error, Rejected) else Rejected(f"{type(error).__name__} raised")

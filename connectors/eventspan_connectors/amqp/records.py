"""Deliveries become events: the source's hot path, without any client."""

from collections.abc import Sequence
from typing import Any

from eventspan.attributes import is_event_format, wrapped
from eventspan.errors import Undecodable
from eventspan.event import Event, Transport
from eventspan_connectors.amqp.binding import AmqpBinding, attribute_of, content_type_of, transport_of
from eventspan_connectors.amqp.config import AmqpSource
from eventspan_connectors.amqp.frames import Delivery, address_of
from eventspan_connectors.amqp.shapes import Shapes


class Maker:
    """Builds events from deliveries under the envelope settings of one source."""

    def __init__(self, settings: AmqpSource) -> None:
        mode = "auto" if settings.envelope == "raw" else settings.envelope
        self.binding = AmqpBinding(mode, settings.extension_types)
        self._lane = settings.queue
        self._limit = settings.limit
        self._invalid = settings.invalid
        self._trusting = settings.envelope == "raw"
        self._shapes = Shapes(self.binding.typed)
        self._plain = settings.envelope in ("auto", "binary")
        self._addresses: dict[bytes, str] = {}

    def events(self, deliveries: Sequence[Delivery]) -> list[Event]:
        """One event per delivery, in order; its fault says when it is none."""
        return [self._event(*delivery) for delivery in deliveries]

    def _event(self, tag: int, redelivered: int, address: bytes, raw: bytes, body: bytes) -> Event:
        where = self._addresses.get(address) or self._address(address)
        found = self._shapes.read(raw)
        if found is not None:
            headers, properties = found
            if redelivered:
                properties["redelivered"] = True
            rows: Any = headers  # a sequence by registration, which type checkers do not follow
            transport = Transport(
                where, self._lane, tag, None, rows, body or None, None, None, None, properties
            )
            return Event(transport, self.binding)
        return self._examined(Transport(where, self._lane, tag), redelivered, raw, body)

    def _examined(self, transport: Transport, redelivered: int, raw: bytes, body: bytes) -> Event:
        """The event of a message of no known shape."""
        try:
            transport_of(raw, body, transport)
        except Undecodable as fault:
            return self._faulty(transport, fault)
        if transport.deliveries is not None:
            transport.delivery_limit = self._limit
        event = Event(transport, self.binding)
        plain = self._plain and _valid(transport)
        if not (self._trusting or plain):
            try:
                event.decoded = self.binding.decode(transport)
            except Undecodable as fault:
                return self._faulty(transport, fault)
        if plain and self._shapes.wants(raw):
            self._learn(raw, event)
        if redelivered:
            transport.properties["redelivered"] = True  # type: ignore[index] # a dictionary of ours
        return event

    def _learn(self, raw: bytes, event: Event) -> None:
        try:
            event.decoded = self.binding.decode(event.transport)
        except Undecodable:
            return  # it is raised again where somebody looks at the attributes
        names = [attribute_of(name) for name, _ in event.transport.headers]
        self._shapes.learn(raw, event.transport, names)

    def _faulty(self, transport: Transport, fault: Undecodable) -> Event:
        if self._invalid == "wrap":
            return wrapped(transport, content_type_of(transport))
        if self._invalid == "opaque":
            return Event(transport)
        return Event(transport, self.binding, fault)

    def _address(self, encoded: bytes) -> str:
        exchange, key = address_of(encoded)
        text = f"{exchange}/{key}"
        if len(self._addresses) < 10_000:
            self._addresses[encoded] = text
        return text


def _valid(transport: Transport) -> bool:
    """Whether headers plainly hold the required attributes; False when in doubt."""
    found = dict(transport.headers)
    if len(found) != len(transport.headers):
        return False
    get = found.get
    if get("ce-specversion") != "1.0" or not (get("ce-id") and get("ce-source") and get("ce-type")):
        return False
    media = content_type_of(transport)
    return media is None or not is_event_format(media)

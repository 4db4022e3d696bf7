"""Kafka messages become events, grouped by lane: the source's hot path."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from eventspan.attributes import is_event_format, wrapped
from eventspan.errors import Undecodable
from eventspan.event import Event, Header, Transport
from eventspan_connectors.kafka.binding import KafkaBinding, content_type_of, readable
from eventspan_connectors.kafka.config import KafkaSource

Make: TypeAlias = Callable[[Transport], Event]

_LIMIT = 1_000


class Part(msgspec.Struct):
    """Consecutive records of one lane: events, and where reading goes on after them."""

    lane: str
    events: list[Event]
    first: int
    next: int


def lane_of(topic: str, partition: int) -> str:
    """The lane of a partition: how messages and positions name it."""
    return f"{topic}:{partition}"


def target_of(lane: str) -> tuple[str, int]:
    """Topic and partition of a lane; raises ``ValueError``."""
    topic, _, partition = lane.rpartition(":")
    if not topic:
        raise ValueError(f"{lane!r} is no lane; lanes are written topic:partition")
    return topic, int(partition)


def valid(headers: Sequence[Header], media: set[Any]) -> bool:
    """Whether headers plainly hold the required attributes; False when in doubt.

    ``media`` collects content types that are no event format.
    """
    found = dict(headers)
    try:
        if not (
            found["ce_specversion"] == b"1.0" and found["ce_id"] and found["ce_source"] and found["ce_type"]
        ):
            return False
    except KeyError:
        return False
    kind = found.get("content-type")
    return len(found) == len(headers) and (kind in media or _plain(kind, media))


def _plain(kind: bytes | None, media: set[Any]) -> bool:
    if kind is not None and kind[12:23].lower() == b"cloudevents":
        return False
    if len(media) < _LIMIT:
        media.add(kind)
    return True


def _foreign(content_type: str) -> bool:
    return is_event_format(content_type) and not readable(content_type)


class Maker:
    """Builds events from records under the envelope settings of one source."""

    def __init__(self, settings: KafkaSource) -> None:
        mode = "auto" if settings.envelope == "raw" else settings.envelope
        self.binding = KafkaBinding(mode, settings.extension_types)
        self._invalid = settings.invalid
        self._trusting = settings.envelope == "raw"
        self._quick = settings.envelope in ("auto", "binary")
        self._lanes: dict[tuple[str, int], str] = {}
        self._media: set[Any] = set()

    def parts(self, messages: Sequence[Any]) -> list[Part]:
        """Group good messages by lane, in order; messages with errors must be gone already."""
        parts: dict[str, Part] = {}
        binding, trusting, quick, examine = self.binding, self._trusting, self._quick, self._examine
        media = self._media
        topic, partition, lane, position = "", -1, "", 0
        part: Part | None = None
        events: list[Event] = []
        append = events.append
        for message in messages:
            native, number = message.topic(), message.partition()
            if number != partition or native != topic:
                if part is not None:
                    part.next = position + 1
                topic, partition = native, number
                lane = self._lane(topic, partition)
                part = parts.get(lane) or parts.setdefault(lane, Part(lane, [], message.offset(), 0))
                append = part.events.append
            position = message.offset()
            headers = message.headers() or ()
            event = Event(
                Transport(
                    topic, lane, position, message.key(), headers, message.value(), message.timestamp()[1]
                ),
                binding,
            )
            if trusting or (quick and valid(headers, media)):
                append(event)
            else:
                append(examine(event))
        if part is not None:
            part.next = position + 1
        return list(parts.values())

    def end(self, message: Any) -> Part:
        """An empty part for the mark that a partition has no more records for now."""
        at = message.offset()
        return Part(self._lane(message.topic(), message.partition()), [], at, at)

    def _lane(self, topic: str, partition: int) -> str:
        return self._lanes.get((topic, partition)) or self._lanes.setdefault(
            (topic, partition), lane_of(topic, partition)
        )

    def _examine(self, event: Event) -> Event:
        """Decide about a record that is not plainly a binary event."""
        transport = event.transport
        content_type = content_type_of(transport.headers)
        if self.binding.mode == "auto" and content_type and _foreign(content_type):
            return event  # opaque to us, and yet an event to whoever reads that format
        try:
            event.decoded = self.binding.decode(transport)
        except Undecodable as fault:
            return self._faulty(transport, fault, content_type)
        return event

    def _faulty(self, transport: Transport, fault: Undecodable, content_type: str | None) -> Event:
        if self._invalid == "wrap":
            return wrapped(transport, content_type)
        if self._invalid == "opaque":
            return Event(transport)
        return Event(transport, self.binding, fault)

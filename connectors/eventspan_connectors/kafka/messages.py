"""Events become records: headers, value and key under the settings of one sink, without any client."""

from collections.abc import Mapping
from typing import TypeAlias

from eventspan.errors import Rejected
from eventspan.event import Event
from eventspan_connectors.kafka import binding
from eventspan_connectors.kafka.binding import Headers
from eventspan_connectors.kafka.config import KafkaSink

Content: TypeAlias = tuple[Headers | None, bytes | None]
"""Headers and value."""
Record: TypeAlias = tuple[Headers | None, bytes | None, bytes | None]
"""Headers, value and key."""


class Writer:
    """Writes events under the settings of one sink."""

    def __init__(self, settings: KafkaSink) -> None:
        self.compacted = False
        """Whether the topic keeps the last record of each key, so that every one needs a key."""
        self.carries = settings.key_from == "transport"
        self.native = settings.envelope == "auto"
        self._envelope = settings.envelope
        self._key_from = settings.key_from

    def encode(self, event: Event) -> Record:
        """The record of an event; the very one it came as where nobody has changed or wants it changed.

        Raises ``Rejected`` and ``Undecodable``.
        """
        ours = event.binding is not None and event.binding.name == "kafka"
        if not (self.native and ours) and self._envelope in ("auto", "binary"):
            texts = event.texts()
            if texts is not None:
                return binding.unread(*texts), event.transport.body, self._key(event, texts[0])
        return (*self._content(event, ours), self._key(event))

    def _content(self, event: Event, ours: bool) -> Content:
        transport = event.transport
        if self.native and ours:
            headers = transport.headers
            if isinstance(headers, list):
                return headers, transport.body
            return binding.native(headers) if headers else None, transport.body
        if self._envelope == "raw":
            return None, transport.body if event.decoded is None else event.data
        if event.fault is not None or event.opaque:
            return binding.foreign(transport), transport.body
        write = binding.structured if self._envelope == "structured" else binding.binary
        return write(event)

    def _key(self, event: Event, texts: Mapping[str, bytes] | None = None) -> bytes | None:
        key = self._chosen(event, texts)
        if key is None and self.compacted:
            raise Rejected("the topic is compacted, and the event has no key")
        return key

    def _chosen(self, event: Event, texts: Mapping[str, bytes] | None) -> bytes | None:
        key = event.transport.key
        if event.fault is not None or event.opaque:
            return key  # no event: the key it came with is all there is
        if self.carries:
            origin = event.binding
            return _attribute(event, "partitionkey", texts) if key is None and _foreign(origin) else key
        if self._key_from == "none":
            return None
        if self._key_from == "source_id":
            return f"{event.source}\n{event.id}".encode()
        return _attribute(event, self._key_from, texts)


def _foreign(origin: object) -> bool:
    """Whether a record came from a protocol that has no keys, or may not have kept one."""
    return getattr(origin, "name", None) != "kafka"


def _attribute(event: Event, name: str, texts: Mapping[str, bytes] | None) -> bytes | None:
    if texts is not None:
        return texts.get(name)
    value = event.attributes.get(name)
    return None if value is None else str(value).encode()

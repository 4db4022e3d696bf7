"""The one thing that crosses a bridge: a CloudEvent, and the transport it came with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import msgspec

from eventspan.errors import Undecodable

Value: TypeAlias = str | bool | int | bytes
"""An attribute. Text keeps its canonical form; bool, int (32 bits) and bytes are
CloudEvents Boolean, Integer and Binary. Timestamps and URIs are text, never parsed
and printed again."""

HeaderValue: TypeAlias = (
    "str | bytes | bool | int | float | datetime | Sequence[Any] | Mapping[str, Any] | None"
)
Header: TypeAlias = tuple[str, Any]
"""A native header: its name and a ``HeaderValue``. Order and duplicates are kept."""

Position: TypeAlias = int | str
"""Where a record stands in its lane. Only its connector understands it."""


Texts: TypeAlias = tuple[dict[str, bytes], Sequence[Header]]
"""Attributes as UTF-8, and the headers beside them that are no attribute."""


class Transport(msgspec.Struct, gc=False):
    """The native record an event came as, and what its broker said about it.

    None of it is part of the event: a bridge carries it beside the attributes, and
    a sink keeps as much of it as its own protocol has room for.
    """

    address: str = ""
    """Topic or queue; ``exchange/routing key`` where a broker has both."""
    lane: str = ""
    """The smallest ordered, separately owned unit the record was read from."""
    position: Position | None = None
    """The record's own position in its lane."""
    key: bytes | None = None
    headers: Sequence[Header] = ()
    body: bytes | None = None
    """The raw record. None where the broker tells an absent body from an empty one."""
    timestamp: int | None = None
    """Broker or producer time, milliseconds since 1970 UTC."""
    deliveries: int | None = None
    """How often the broker has offered this record, this time included; None if it does not count."""
    delivery_limit: int | None = None
    """The number of deliveries after which the broker itself gives the record up."""
    properties: Mapping[str, Any] | None = None
    """Native properties that are neither headers nor attributes."""


class Binding(Protocol):
    """How a native record holds an event: pure, and without any client library."""

    name: str
    """The protocol, such as ``kafka``. A sink whose binding has the same name may
    pass a record through untouched."""

    def decode(self, transport: Transport) -> tuple[dict[str, Value], bytes | None]:
        """Attributes and data of a record; raises ``Undecodable``."""
        ...


class TextBinding(Binding, Protocol):
    """A binding whose records may hold every attribute as text, so that they can be written down unread."""

    def texts(self, transport: Transport) -> Texts | None:
        """What ``decode`` would find, as UTF-8, in a record whose body is its data.

        None where a record is anything but plainly valid, or an attribute is more than
        text: then it has to be decoded.
        """
        ...


class Event(msgspec.Struct, gc=False, eq=False, repr_omit_defaults=True):
    """A CloudEvents 1.0 event.

    An event read from a broker starts as its raw record and is decoded when an
    attribute or its data is first looked at, which may raise ``Undecodable``.
    Events are values: use ``replace`` instead of changing one. Two are equal when
    attributes and data are; the transport does not count.
    """

    transport: Transport
    binding: Binding | None = None
    """How to read the raw record; None once the event no longer stands for it."""
    fault: Undecodable | None = None
    """Why the record is no event, when its source has already found out."""
    decoded: tuple[dict[str, Value], bytes | None] | None = None
    """Attributes and data, once known. Read ``attributes`` and ``data`` instead."""
    destination: tuple[str, ...] | None = None
    """Where the bridge sends it, one text per name in the sink's ``destinations``; None: as
    the sink's settings say."""

    @classmethod
    def new(
        cls,
        attributes: Mapping[str, Value],
        data: bytes | None = None,
        transport: Transport | None = None,
    ) -> Event:
        """An event from its attributes, ``specversion`` included unless it is 1.0."""
        known: dict[str, Value] = {"specversion": "1.0", **attributes}
        return cls(transport or Transport(), None, None, (known, data))

    @property
    def attributes(self) -> dict[str, Value]:
        """Every context attribute that is set, extensions included. Do not change it."""
        return (self.decoded or self._decode())[0]

    @property
    def data(self) -> bytes | None:
        """The payload, byte for byte; None when the event has none."""
        return (self.decoded or self._decode())[1]

    @property
    def opaque(self) -> bool:
        """Whether it is a record that nobody reads as an event: its body and headers are all there is."""
        return self.binding is None and self.decoded is None

    def texts(self) -> Texts | None:
        """Attributes as UTF-8, for a sink that only writes them down; the body is the data.

        None once somebody has looked at the attributes, and wherever they have to be looked
        at first: use ``attributes`` and ``data`` then.
        """
        if self.decoded is not None or self.fault is not None:
            return None
        read = getattr(self.binding, "texts", None)
        return None if read is None else read(self.transport)

    def _decode(self) -> tuple[dict[str, Value], bytes | None]:
        if self.fault is not None:
            raise self.fault
        if self.binding is None:
            raise Undecodable("the record carries no CloudEvent")
        self.decoded = self.binding.decode(self.transport)
        return self.decoded

    def replace(
        self,
        attributes: Mapping[str, Value] | None = None,
        data: bytes | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> Event:
        """A copy with other attributes or other data, on the same transport."""
        kept = self.attributes if attributes is None else dict(attributes)
        return Event(self.transport, None, None, (kept, self.data if data is msgspec.UNSET else data))

    @property
    def id(self) -> str:
        return str(self.attributes["id"])

    @property
    def source(self) -> str:
        return str(self.attributes["source"])

    @property
    def type(self) -> str:
        return str(self.attributes["type"])

    @property
    def subject(self) -> str | None:
        return self._text("subject")

    @property
    def time(self) -> str | None:
        """The RFC 3339 text as it was written."""
        return self._text("time")

    @property
    def datacontenttype(self) -> str | None:
        return self._text("datacontenttype")

    @property
    def dataschema(self) -> str | None:
        return self._text("dataschema")

    def _text(self, name: str) -> str | None:
        value = self.attributes.get(name)
        return None if value is None else str(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return self.attributes == other.attributes and self.data == other.data

    __hash__ = None  # type: ignore[assignment] # equal by a mutable mapping

"""Content headers of the same names and lengths, told apart by one comparison each.

Producers write the same headers again and again, and most values keep their length: ids,
times, types. Once a message has been read with care, the next one of its shape needs no
look at its table. Whatever is of no known shape is left to the codec and the binding.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any

import msgspec

from eventspan.event import Header, Texts, Transport, Value
from eventspan_connectors.amqp import codec

CONTENT_HEADER = "content_header"
"""Native property: the content header as it came, from the property flags on."""
_USUAL = frozenset((CONTENT_HEADER, "content_type", "delivery_mode"))
_LENGTHS = 1_000
_EACH = 8
"""Shapes kept for one length of a content header."""
_RELEARN = 16
"""One in so many unknown messages is learned once there are that many."""


class Rows(msgspec.Struct, gc=False, eq=False):
    """Headers of a message of a known shape: a sequence of names and texts, which are ASCII."""

    shape: "Shape"
    values: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Header]:
        return zip(self.shape.natives, map(bytes.decode, self.values), strict=False)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int):
            return self.shape.natives[index], self.values[index].decode()
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, list | Rows) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # equal by its content

    def attributes(self) -> dict[str, Value]:
        """The attributes among them, and the content type. ``time`` and ``dataschema`` are unchecked."""
        shape = self.shape
        found: dict[Any, Value] = dict(zip(shape.names, map(bytes.decode, self.values), strict=False))
        if shape.others:
            del found[None]
        if shape.media is not None:
            found["datacontenttype"] = shape.media
        return found

    def undecoded(self) -> Texts:
        """The same as UTF-8, and the headers that are no attribute."""
        shape = self.shape
        found: dict[Any, bytes] = dict(zip(shape.names, self.values, strict=False))
        if shape.media is not None:
            found["datacontenttype"] = shape.media_bytes
        if not shape.others:
            return found, ()
        del found[None]
        return found, [header for name, header in zip(shape.names, self, strict=True) if name is None]


Sequence.register(Rows)


class Shape:
    """Everything of a message but the values of its headers."""

    __slots__ = (
        "_fixed", "_properties", "_unpack", "_version", "media", "media_bytes", "names", "natives", "others"
    )  # fmt: skip

    def __init__(
        self,
        raw: bytes,
        headers: Sequence[tuple[str, str]],
        names: Sequence[str | None],
        properties: Mapping[str, Any],
    ) -> None:
        sizes: list[int] = []
        before, at = 0, codec.table_of(raw)[0]
        for native, value in headers:
            value_at = at + 6 + len(native)
            sizes += (value_at - before, len(value))
            before = at = value_at + len(value)
        self._unpack = Struct("".join(f"{size}s" for size in (*sizes, len(raw) - before))).unpack
        self._fixed: tuple[bytes, ...] = self._unpack(raw)[::2]
        self._version = names.index("specversion")
        self._properties = {name: value for name, value in properties.items() if name != CONTENT_HEADER}
        self.media = properties.get("content_type") or None
        self.media_bytes = (self.media or "").encode()
        self.natives = tuple(native for native, _ in headers)
        self.names = tuple(names)
        """The attribute behind each header; None for headers of others."""
        self.others = None in names

    def read(self, raw: bytes) -> tuple[Rows, dict[str, Any]] | None:
        """Headers and properties of a content header of the same length; None if it is of another shape."""
        parts = self._unpack(raw)
        if parts[::2] != self._fixed:
            return None
        values = parts[1::2]
        text = b"".join(values)
        if values[self._version] != b"1.0" or not (text.isascii() and text.decode().isprintable()):
            return None
        return Rows(self, values), {**self._properties, CONTENT_HEADER: raw}


class Shapes:
    """The shapes of one source. ``typed`` names the attributes that are more than text."""

    def __init__(self, typed: Collection[str]) -> None:
        self._typed = frozenset(typed)
        self._known: dict[int, list[Shape]] = {}
        self._misses = 0

    def read(self, raw: bytes) -> tuple[Rows, dict[str, Any]] | None:
        """Headers and properties of a valid binary event of a known shape; None for all others."""
        for shape in self._known.get(len(raw), ()):
            found = shape.read(raw)
            if found is not None:
                return found
        return None

    def wants(self, raw: bytes) -> bool:
        """Whether to learn from a message of no known shape.

        Where lengths vary too much for shapes to help, learning must not cost more than it saves.
        """
        self._misses += 1
        known = self._known.get(len(raw))
        if known is None:
            return len(self._known) < _LENGTHS
        return len(known) < _EACH or self._misses % _RELEARN == 0

    def learn(self, raw: bytes, transport: Transport, names: Sequence[str | None]) -> None:
        """Know the next message like this one, which is a valid binary event."""
        if self._plain(raw, transport, names):
            known = self._known.setdefault(len(raw), [])
            del known[_EACH - 1 :]
            known.insert(0, Shape(raw, [*transport.headers], names, transport.properties or {}))

    def _plain(self, raw: bytes, transport: Transport, names: Sequence[str | None]) -> bool:
        """Whether every message of the same shape can be read without a closer look."""
        attributes = [name for name in names if name is not None]
        if len(set(attributes)) < len(attributes) or not self._typed.isdisjoint(attributes):
            return False
        if transport.timestamp is not None or not _USUAL.issuperset(transport.properties or ()):
            return False
        start, stop = codec.table_of(raw)
        texts = all(isinstance(value, str) and (name + value).isascii() for name, value in transport.headers)
        return texts and codec.table(transport.headers) == raw[start:stop]

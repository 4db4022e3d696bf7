"""Event formats: a whole event, or several, as one sequence of bytes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from eventspan.attributes import TYPES, media_type
from eventspan.errors import Undecodable
from eventspan.event import Event, Transport, Value
from eventspan.formats import json

__all__ = ["GROUP", "BatchFormat", "Format", "find", "is_batch"]

GROUP = "eventspan.formats"
"""Entry points named by what follows the ``+`` of the media type, such as ``avro``."""

_FORMAT = re.compile(r"application/cloudevents(-batch)?\+([a-z0-9][a-z0-9.-]{0,39})").fullmatch


class Format(Protocol):
    """One way to write a whole event as bytes: structured content mode."""

    media_type: str
    """Such as ``application/cloudevents+json``."""

    def decode(self, data: bytes, transport: Transport | None = None) -> Event:
        """The event, on the transport it came with; raises ``Undecodable``."""
        ...

    def decode_parts(
        self, data: bytes, types: Mapping[str, str] = TYPES
    ) -> tuple[dict[str, Value], bytes | None]:
        """Attributes and data alone, as a binding wants them; raises ``Undecodable``."""
        ...

    def encode(self, event: Event) -> bytes:
        """The event as bytes; raises ``Undecodable`` if the event itself is."""
        ...


@runtime_checkable
class BatchFormat(Protocol):
    """A format that also writes several events as one."""

    batch_media_type: str

    def decode_batch(self, data: bytes) -> list[Event]:
        """Every event; ``Undecodable`` names the index of the first that is none."""
        ...

    def encode_batch(self, events: Sequence[Event]) -> bytes: ...


def is_batch(content_type: str) -> bool:
    """Whether a body of this content type holds several events."""
    match = _FORMAT(media_type(content_type))
    return bool(match and match[1])


def find(content_type: str) -> Format:
    """The format of a content type, single or batch; imports its library on first use.

    Raises ``Undecodable`` for a format nobody has installed, and for one that is broken
    or lacks its library; ``help`` then says what to install.
    """
    match = _FORMAT(media_type(content_type))
    if match is None:
        raise Undecodable("the content type names no event format")
    return json.FORMAT if match[2] == "json" else _load(match[2])


@cache
def _load(name: str) -> Format:
    entry = _claimed(name)
    try:
        found = entry.load()
    except ImportError as error:
        raise _missing(entry, error) from error
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise Undecodable(f"event format {name!r} is broken: {type(error).__name__}") from error
    if not all(callable(getattr(found, verb, None)) for verb in ("decode", "decode_parts", "encode")):
        raise Undecodable(f"event format {name!r} is broken: {entry.value} is no Format")
    return found  # type: ignore[no-any-return] # its verbs were looked at just now


def _claimed(name: str) -> EntryPoint:
    # A distribution can stand on the path twice; the same value from it is one claim.
    found = entry_points(group=GROUP, name=name)
    claims = list({(e.value, e.dist.name if e.dist else ""): e for e in found}.values())
    if not claims:
        raise Undecodable(f"no event format called {name!r} is installed")
    if len(claims) > 1:
        raise Undecodable(f"event format {name!r} is claimed more than once", help="uninstall one of them")
    return claims[0]


def _missing(entry: EntryPoint, error: ImportError) -> Undecodable:
    module = (error.name or "").partition(".")[0]
    extras: Iterable[str] = entry.dist.metadata.get_all("Provides-Extra") or () if entry.dist else ()
    if entry.dist and module != entry.module.partition(".")[0] and entry.name in extras:
        return Undecodable(
            f"event format {entry.name!r} needs the package {module!r}",
            help=f"pip install '{entry.dist.name}[{entry.name}]'",
        )
    return Undecodable(f"event format {entry.name!r} is broken: it cannot be imported")

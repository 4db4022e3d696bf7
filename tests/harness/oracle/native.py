"""Native records as the oracle sees them, whatever broker they were read from."""

from dataclasses import dataclass
from typing import Any

from harness.oracle.mint import Mint, Record

NOTE = "nota"
_DLQ = "eventspan-dlq-"
_REASON = _DLQ + "reason"
_KEY = "eventspan-key"


@dataclass(frozen=True)
class Sighting:
    """A record that was read: headers in order, values as text or bytes."""

    headers: list[tuple[str, Any]]
    content_type: str | None
    key: bytes | None
    body: bytes
    again: bool = False
    """The broker gives it to the oracle a second time, which is nobody's fault."""

    def attributes(self) -> dict[str, str]:
        """Attributes in binary mode, with either prefix."""
        found = {name[3:]: _text(value) for name, value in self.headers if name[:3] in ("ce_", "ce-")}
        if self.content_type is not None:
            found["datacontenttype"] = self.content_type
        return found

    def header(self, name: str) -> str | None:
        return next((_text(value) for known, value in self.headers if known == name), None)

    @property
    def record_key(self) -> bytes | None:
        """The key: the broker's own, or the header that stands for it."""
        text = self.header(_KEY)
        return self.key if self.key is not None or text is None else text.encode()


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes | bytearray) else str(value)


def sent_headers(record: Record) -> list[tuple[str, str | bytes | None]]:
    """Headers of a Kafka record: the event in binary mode, and the note."""
    found: list[tuple[str, str | bytes | None]] = []
    for name, value in record.attributes.items():
        native = "content-type" if name == "datacontenttype" else f"ce_{name}"
        found.append((native, value.encode()))
    return [*found, (NOTE, record.note.encode())]


def faults_of_event(seen: Sighting, wanted: Record, *, native: bool) -> list[str]:
    """How a delivered record differs from the one that was sent."""
    found = _common(seen, wanted)
    if seen.attributes() != wanted.attributes:
        found.append(f"attributes {seen.attributes()}")
    if seen.record_key != wanted.key.encode():
        found.append(f"key {seen.record_key!r}")
    if native and seen.headers != sent_headers(wanted):
        found.append(f"headers {seen.headers}")
    return found


def faults_of_letter(seen: Sighting, wanted: Record, *, native: bool) -> list[str]:
    """How a dead letter differs from the record that was sent, and whether it says why."""
    found = _common(seen, wanted)
    if not seen.header(_REASON):
        found.append("no reason")
    rest = [header for header in seen.headers if not header[0].startswith(_DLQ)]
    if native and rest != sent_headers(wanted):
        found.append(f"headers {rest}")
    return found


def _common(seen: Sighting, wanted: Record) -> list[str]:
    found = []
    if seen.body != wanted.body:
        found.append(f"body of {len(seen.body)} bytes, {len(wanted.body)} wanted")
    if seen.header(NOTE) != wanted.note:
        found.append(f"header {NOTE} {seen.header(NOTE)!r}")
    return found


def id_of(seen: Sighting, mint: Mint) -> str:
    """The id a record claims: its attribute, or what stands in the body of poison."""
    return seen.attributes().get("id") or mint.poison_id(seen.body)

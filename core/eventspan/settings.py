"""The base of every settings type, and the units their values carry."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_DURATION = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_PER = {"s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]{1,3})")
_RATE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)/([smh])")


class Settings(BaseModel):
    """Frozen, complete, and closed: an unknown key is an error, not a typo that waits."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True,
        arbitrary_types_allowed=True,
    )  # fmt: skip


def _with_unit(value: Any, units: dict[str, Any], example: str) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"needs a number with its unit, such as {example}")  # noqa: TRY004 -- pydantic wants ValueError
    match = _NUMBER.fullmatch(value.strip())
    if match is None or match[2] not in units:
        raise ValueError(f"needs a number and one of {', '.join(units)}, such as {example}")
    return float(match[1]) * units[match[2]]


def seconds(value: Any) -> float:
    """Seconds in a text such as ``200ms``; raises ``ValueError``."""
    return float(_with_unit(value, _DURATION, "200ms or 30s"))


def bytes_of(value: Any) -> int:
    """Bytes in a text such as ``128MiB``; raises ``ValueError``."""
    return int(_with_unit(value, _SIZE, "64KiB or 128MiB"))


def per_second(value: Any) -> float:
    """Events a second in a text such as ``5000/s``; raises ``ValueError``."""
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not float(match[1]):
        raise ValueError("needs a count and a time, such as 5000/s or 100/m")
    return float(match[1]) / _PER[match[2]]


def _default_or(parse: Any) -> BeforeValidator:
    # Defaults are already numbers; only text comes out of a bridge file.
    return BeforeValidator(parse)


def is_template(text: str) -> bool:
    """Whether a destination is computed from each event; such a text is no name to check."""
    return "{{" in text


Duration = Annotated[
    float,
    _default_or(seconds),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*(us|ms|s|m|h|d)$", "examples": ["200ms", "30s"]}
    ),
]
"""Seconds. Written with a unit: ``200ms``, ``30s``, ``5m``."""

Size = Annotated[
    int,
    _default_or(bytes_of),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]+(\.[0-9]+)?\s*(B|kB|MB|GB|KiB|MiB|GiB|TiB)$",
            "examples": ["128MiB"],
        }
    ),
]
"""Bytes. Written with a unit: ``64KiB``, ``128MiB``."""

Rate = Annotated[
    float,
    _default_or(per_second),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?/[smh]$", "examples": ["5000/s"]}),
]
"""Events a second. Written with a time: ``5000/s``."""

Count = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
"""A positive whole number; true is none, and neither is ``"5"``."""

Port = Annotated[int, Field(strict=True, ge=1, le=65535)]

Envelope = Literal["auto", "binary", "structured", "raw"]
Invalid = Literal["dead_letter", "wrap", "opaque"]
AttributeType = Literal["boolean", "integer", "string", "binary", "uri", "uri-reference", "timestamp"]


class EnvelopeSource(Settings):
    """How a source on a broker finds events in records."""

    envelope: Envelope = "auto"
    """Where the event is: ``binary`` in headers, ``structured`` in the body, ``auto`` by
    content type, ``raw``: records are not looked at unless something asks."""
    invalid: Invalid = "dead_letter"
    """What becomes of a record that is no CloudEvent: a dead letter, an event wrapped around
    it whose id comes from lane and position, or an opaque record passed on as it is."""
    extension_types: dict[str, AttributeType] = Field(default_factory=dict)
    """Types of extensions beyond the documented ones, which travel as text."""


class EnvelopeSink(Settings):
    """How a sink on a broker writes events."""

    envelope: Envelope = "auto"
    """``auto``: an untouched record of the same protocol goes through as it is, anything else in
    binary mode. ``raw``: the body alone, without attributes."""


class Tls(Settings):
    """Transport security. Verification is on."""

    ca: Path | None = None
    """PEM file of the authorities to trust; the system's otherwise."""
    certificate: Path | None = None
    """PEM file of the client's own certificate."""
    key: Path | None = None
    """PEM file of the client's private key."""
    insecure_skip_verify: bool = False
    """Accept any certificate. Warned about at every start."""

"""Options of the client library: those a bridge file may set, and how it is handed them."""

from collections.abc import Mapping
from typing import Any, TypeAlias

Option: TypeAlias = str | bool | int | float

_SHOWN = ("product", "version", "information")
_LISTED = ("auth", "name", *_SHOWN)
"""Whatever is missing here is a setting of its own, could load files or switch verification off,
or has to stay as it is: ``capabilities`` tells the broker that we understand its refusals."""
_MECHANISMS = ("plain", "external")


def refuse_unlisted(options: dict[str, Option]) -> dict[str, Option]:
    """Raise ``ValueError`` naming the first option that a bridge file may not set."""
    for name, value in options.items():
        if name not in _LISTED:
            raise ValueError(f"option {name[:60]!r} cannot be set; allowed: {', '.join(sorted(_LISTED))}")
        if not isinstance(value, str) or not value or len(value) > 255:
            raise ValueError(f"option {name!r} is no text of 1 to 255 characters")
    if options.get("auth", "plain") not in _MECHANISMS:
        raise ValueError("option 'auth' is plain or external")
    return options


def query(options: Mapping[str, Option], name: str) -> dict[str, Any]:
    """What goes into the client's own URL; ``name`` is what the broker shows by default."""
    return {"name": options.get("name", name), "auth": options.get("auth", "plain")}


def shown(options: Mapping[str, Option]) -> dict[str, Any]:
    """What the broker's management shows about the client."""
    return {name: options[name] for name in _SHOWN if name in options}

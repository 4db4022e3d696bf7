"""``eventspan version``: what is installed, read from metadata alone."""

import platform
import re
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, entry_points, version
from typing import TypedDict

import click

from eventspan_bridges.cli import options, output

_EXTRA = re.compile(r"extra\s*==\s*['\"]([A-Za-z0-9._-]+)['\"]")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@click.command("version")
@options.output("text", "json")
def command(form: str) -> None:
    """Print the versions of what is installed."""
    connectors = {entry.name: _connector(entry) for entry in entry_points(group="eventspan.connectors")}
    if form == "json":
        about = {"eventspan": version("eventspan"), "python": platform.python_version()}
        output.as_json({**about, "connectors": dict(sorted(connectors.items()))})
        return
    output.data(f"eventspan {version('eventspan')}, Python {platform.python_version()}")
    rows = [(name, about["origin"], _shown(about)) for name, about in sorted(connectors.items())]
    output.table(("CONNECTOR", "FROM", "CLIENT"), rows)


class Installed(TypedDict):
    """What is known of a connector without importing it."""

    origin: str
    """Distribution and version that bring it."""
    clients: dict[str, str | None]
    """Its client libraries; None for one that is missing."""


def _connector(entry: EntryPoint) -> Installed:
    if entry.dist is None:
        return {"origin": "unknown", "clients": {}}
    return {"origin": f"{entry.dist.name} {entry.dist.version}", "clients": _clients(entry.dist, entry.name)}


def _shown(about: Installed) -> str:
    return ", ".join(f"{client} {at or 'missing'}" for client, at in about["clients"].items())


def _clients(dist: Distribution, extra: str) -> dict[str, str | None]:
    """What the extra of a connector asks for, and which version of it is there."""
    found = {}
    for requirement in dist.requires or ():
        named, wanted = _NAME.match(requirement), _EXTRA.search(requirement)
        if named and wanted and wanted[1] == extra:
            found[named[0]] = _version(named[0])
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

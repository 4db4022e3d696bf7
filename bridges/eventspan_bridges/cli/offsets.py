"""``eventspan offsets``: how far bridges have read, and how to change it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from eventspan_bridges.cli import options, output

_target = click.argument("target", metavar="BRIDGE|FILE")


@click.group("offsets")
def command() -> None:
    """Show, export and set how far bridges have read.

    A bridge is named by its file, or, once it has run, by its name.
    """


@command.command("show")
@_target
@options.bridges
@options.state
@options.env_file
@options.output("text", "json")
def show(target: str, form: str, **given: Any) -> None:
    """Show the committed position of every lane, and how much waits behind it."""
    found = _read(target, **given)
    if form == "json":
        output.as_json(found)
        return
    rows = [(line["bridge"], line["lane"], _shown(line["position"]), _shown(line["lag"])) for line in found]
    output.table(("BRIDGE", "LANE", "POSITION", "LAG"), rows)


@command.command("export")
@_target
@options.bridges
@options.state
@options.env_file
def export(target: str, **given: Any) -> None:
    """Print positions, one JSON object a line, for ``set --to @FILE``."""
    for line in _read(target, **given):
        kept = {key: line[key] for key in ("bridge", "lane", "position")}
        output.data(json.dumps(kept, ensure_ascii=False))


@command.command("set")
@_target
@click.argument("lanes", nargs=-1, metavar="[LANE=POSITION]...")
@click.option("--to", metavar="WHERE", help="Every lane to earliest, latest, a time, or what @FILE says.")
@click.option(
    "--lane", "only", multiple=True, metavar="LANE", help="With --to, only this lane; may be repeated."
)
@click.option("--dry-run", is_flag=True, help="Say what would be set and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.bridges
@options.state
@options.env_file
def set_(
    target: str,
    lanes: Sequence[str],
    to: str | None,
    only: Sequence[str],
    dry_run: bool,
    yes: bool,
    **given: Any,
) -> int:
    """Set where a bridge goes on. Refused while the bridge runs.

    A position is what ``show`` prints, or earliest, latest, or a time (RFC 3339).
    """
    from eventspan_bridges.cli import positions

    folder, settings = _settings(target, **given)
    wish = positions.Wish.of(lanes, to, only)
    for bridge in settings:
        plan = asyncio.run(positions.plan(bridge, folder, wish))
        output.table(("LANE", "NOW", "BECOMES"), [(m.lane, _shown(m.now), m.becomes) for m in plan])
        if dry_run or not plan:
            continue
        if not yes:
            click.confirm(f"set {len(plan)} position(s) of {bridge.name}?", abort=True, err=True)
        for lane, position in asyncio.run(positions.apply(bridge, folder, plan)).items():
            output.words(f"{bridge.name}: {lane} is at {position}")
    return 0


@command.command("release")
@click.argument("name", metavar="BRIDGE")
@options.state
@click.option("--yes", is_flag=True, help="Do not ask.")
def release(name: str, state: Path | None, yes: bool) -> int:
    """Free a bridge whose worker was on another host, and is gone for good.

    Two workers that run the same bridge lose nothing and may write everything twice:
    be sure that it is gone.
    """
    from eventspan_bridges.cli import positions
    from eventspan_bridges.cli.state import folder

    if not yes:
        click.confirm(f"is the worker of {name} gone for good?", abort=True, err=True)
    positions.release(folder(state), name)
    output.words(f"{name} can be run again")
    return 0


def _settings(
    target: str, names: Sequence[str], state: Path | None, env_file: Path | None
) -> tuple[Path, Any]:
    from eventspan_bridges.cli import files, known
    from eventspan_bridges.cli.state import folder

    where = folder(state)
    paths, named = known.paths_of(where, target)
    return where, files.BridgeFiles(paths, env_file).load([*names, *named])


def _read(target: str, **given: Any) -> list[dict[str, Any]]:
    from eventspan_bridges.cli import positions

    folder, settings = _settings(target, **given)
    return [line for bridge in settings for line in asyncio.run(positions.read(bridge, folder))]


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)

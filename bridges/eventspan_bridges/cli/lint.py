"""``eventspan lint``: everything that is wrong in bridge files, at once."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eventspan_bridges.cli import options, output
from eventspan_bridges.cli.boundary import EXIT_OK, EXIT_WRONG

if TYPE_CHECKING:
    from eventspan_bridges.settings.problems import Problem


@click.command("lint")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.output("text", "json", "github")
@click.option("--strict", is_flag=True, help="Let warnings count as errors.")
@options.env_file
def command(paths: tuple[Path, ...], form: str, strict: bool, env_file: Path | None) -> int:
    """Check bridge files, and the *.yaml of folders, as one set.

    Connects to nothing. Exits with 2 when anything is wrong.
    """
    from eventspan_bridges.cli import files

    checked = files.BridgeFiles(paths, env_file).check()
    show = {"text": _text, "json": _json, "github": _github}[form]
    for problem in checked.problems:
        show(problem)
    if form == "text":
        warnings = len(checked.problems) - len(checked.errors)
        output.words(
            f"{len(checked.bridges)} bridge(s), {len(checked.errors)} error(s), {warnings} warning(s)"
        )
    wrong = checked.problems if strict else checked.errors
    return EXIT_WRONG if wrong else EXIT_OK


def _text(problem: "Problem") -> None:
    # The finding is the answer of this command, so it is data; it is escaped already.
    output.data(problem.render() + "\n")


def _json(problem: "Problem") -> None:
    place, code = problem.place, problem.code
    fields = {
        "file": place.file, "line": place.line, "column": place.column, "level": code.level,
        "code": code.id, "name": code.name, "message": problem.message, "help": problem.help,
    }  # fmt: skip
    output.data(json.dumps(fields, ensure_ascii=False))


def _github(problem: "Problem") -> None:
    place, code = problem.place, problem.code
    text = problem.message + (f"\n{problem.help}" if problem.help else "")
    where = f"file={_property(place.file)},line={place.line},col={place.column}"
    title = _property(f"{code.id} {code.name}")
    sys.stdout.write(f"::{code.level} {where},title={title}::{_escaped(text)}\n")


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")

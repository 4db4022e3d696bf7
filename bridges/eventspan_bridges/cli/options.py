"""Options that several commands share, so that they mean the same everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def output(*forms: str) -> Callable[[F], F]:
    """``-o``: the form of what is printed; the first one is the default."""
    return click.option(
        "-o", "--output", "form", type=click.Choice(forms), default=forms[0], help="What to print."
    )


def bridges(command: F) -> F:
    """``--bridge``: only some of the bridges of the files."""
    help = "Only this bridge; may be repeated."
    return click.option("--bridge", "names", multiple=True, metavar="NAME", help=help)(command)


def state(command: F) -> F:
    """``--state``: where positions and leases are kept."""
    return click.option(
        "--state",
        envvar="EVENTSPAN_STATE",
        show_envvar=True,
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Where positions are kept.  [default: ~/.local/state/eventspan]",
    )(command)


def env_file(command: F) -> F:
    """``--env-file``: more variables for the references in bridge files."""
    return click.option(
        "--env-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Lines of NAME=value; the environment itself wins.",
    )(command)


def files(command: F) -> F:
    """``FILE...``: bridge files and folders of them."""
    return click.argument(
        "paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
    )(command)

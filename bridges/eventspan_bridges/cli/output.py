"""Data on standard output, words on standard error; nothing in them moves a terminal."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

EXIT_UNREAD = 1
"""Standard output was closed by its reader."""


def words(text: str) -> None:
    """Say something to a person."""
    print(safe(text), file=sys.stderr, flush=True)


def safe(text: str) -> str:
    """The text without the passwords of URLs and without what would move a cursor."""
    if text.isprintable() and "://" not in text:
        return text
    # What knows the details is heavy, and hardly any text needs it.
    from eventspan_bridges.settings.problems import masked, visible

    return visible(masked(text))


def help_line(text: str) -> None:
    """Say what to do about the line before."""
    words(f"help: {text}")


def data(text: str) -> None:
    """Print a line of the answer."""
    print(text, flush=True)


def as_json(value: Any) -> None:
    """Print one object, indented for a person and stable for a program."""
    data(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print columns as wide as what is in them."""
    shown = [[safe(str(cell).replace("\n", " ")) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[n]) for row in shown) for n in range(len(head))]
    for row in shown:
        data("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def silence() -> int:
    """Forget standard output, whose reader has gone; returns the exit code for that."""
    # The interpreter flushes once more when it ends, and would say that it could not.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return EXIT_UNREAD

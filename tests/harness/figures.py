"""Figures of the long tests: a JSON file for each run, and one table at the end of a soak."""

import json
import os
import re
import time
from pathlib import Path
from typing import Any, Protocol

from harness.counts import is_soak

FOLDER = "EVENTSPAN_REPORTS"
"""Names the folder of the JSON files; without it they stand beside the other files of the test."""


class Writes(Protocol):
    """What pytest's terminal offers."""

    def write_line(self, line: str, **markup: bool) -> None: ...


class Figures:
    """Rows of one table, each under the name of its run."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, dict[str, Any]]] = []

    def add(self, run: str, folder: Path, row: dict[str, Any], details: dict[str, Any]) -> None:
        """Keep a row for the table, and write it with its details to a file."""
        self._rows.append((run, row))
        target = Path(os.environ.get(FOLDER) or folder)
        target.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9.]+", "-", run).strip("-")
        text = json.dumps(
            {"run": run, "at": int(time.time()), **row, **details}, indent=1, ensure_ascii=False
        )
        (target / f"{name}.json").write_text(text + "\n")

    def table(self) -> list[str]:
        """Lines: one block for each set of columns, in the order the runs ended."""
        blocks: dict[tuple[str, ...], list[list[str]]] = {}
        for run, row in self._rows:
            lines = blocks.setdefault(tuple(row), [["run", *row]])
            lines.append([run, *(_text(value) for value in row.values())])
        return [line for lines in blocks.values() for line in ["", *_aligned(lines)]]

    def write(self, terminal: Writes) -> None:
        """Print the table after a soak; an ordinary run has only the files."""
        if is_soak():
            for line in self.table():
                terminal.write_line(line)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _aligned(lines: list[list[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    found = []
    for line in lines:
        first = line[0].ljust(widths[0])
        rest = (text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))
        found.append("  ".join([first, *rest]))
    return found


FIGURES = Figures()

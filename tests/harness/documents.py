"""Code blocks and tables of the pages of this project, so that tests can hold them to their word."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^\|(.*)\|$", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """What stands between fences of this language, in order."""
    return [text for kind, text in _BLOCK.findall(page.read_text()) if kind == language]


def table(page: Path, heading: str, title: str) -> list[dict[str, str]]:
    """Rows of the table whose first columns have these headings, by heading."""
    start = page.read_text().index(f"| {heading} | {title} |")
    text = page.read_text()[start:].partition("\n\n")[0]
    head, _, *rows = [[cell.strip() for cell in line.split(" | ")] for line in _LINE.findall(text)]
    return [dict(zip(head, row, strict=True)) for row in rows]


def shell(
    script: str, folder: Path, env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a script as a person would type it, with the eventspan of this environment.

    Fails where one of its commands does; what it has started ends with it.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    state = {"XDG_STATE_HOME": str(folder / "state")}
    process = subprocess.Popen(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder, env={**os.environ, **state, **(env or {}), "PATH": path},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=timeout)
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert process.returncode == 0, f"{script}\nexit {process.returncode}\n{out}\n{err}"
    return subprocess.CompletedProcess(script, 0, out, err)

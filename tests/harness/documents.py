"""Code blocks of the pages of this project, so that tests can run what they show."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """What stands between fences of this language, in order."""
    return [text for kind, text in _BLOCK.findall(page.read_text()) if kind == language]


def shell(
    script: str, folder: Path, env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a script as a person would type it, with the eventspan of this environment.

    Fails where one of its commands does.
    """
    bin = str(Path(sys.executable).parent)
    path = os.pathsep.join([bin, os.environ.get("PATH", os.defpath)])
    state = {"XDG_STATE_HOME": str(folder / "state")}
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder, env={**os.environ, **state, **(env or {}), "PATH": path},
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done

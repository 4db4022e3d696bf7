"""The command as a process of its own, and as a call."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.command import TIMEOUT, Run, Start, Write, command


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVENTSPAN")}
    return {**kept, "EVENTSPAN_STATE": str(tmp_path / "state")}


@pytest.fixture
def run(environment: Mapping[str, str]) -> Run:
    """Run the command to its end."""

    def call(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        env = {**environment, **more.pop("env", {})}
        return subprocess.run(
            command(arguments), capture_output=True, text=True, timeout=TIMEOUT, env=env, check=False, **more
        )

    return call


@pytest.fixture
def start(environment: Mapping[str, str]) -> Iterator[Start]:
    """Start the command; it is killed at the end of the test if it still runs."""
    running: list[subprocess.Popen[str]] = []

    def call(*arguments: str, **more: Any) -> subprocess.Popen[str]:
        env = {**environment, **more.pop("env", {})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        process = subprocess.Popen(command(arguments), text=True, env=env, **pipes)
        running.append(process)
        return process

    yield call
    for process in running:
        if process.poll() is None:
            process.kill()
        # Waits for it, and closes its pipes however much of them was read.
        with process:
            process.communicate()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a bridge file and return its path."""

    def call(text: str) -> str:
        path = tmp_path / "bridges.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return call

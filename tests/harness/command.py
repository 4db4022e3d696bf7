"""The command as a process of its own."""

import subprocess
import sys
from collections.abc import Callable, Sequence

TIMEOUT = 60
Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., "subprocess.Popen[str]"]
Write = Callable[[str], str]

FINITE = """\
version: 1
bridges:
  orders:
    source: {type: memory, name: in, generate: {rate: 5000/s, count: 5}}
    steps:
      - filter: event.type != "order.cancelled"
    sink: {type: memory, name: out}
    dead_letter: stop
"""
ENDLESS = FINITE.replace(", count: 5", "")


def command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "eventspan_bridges", *arguments]


def until(process: "subprocess.Popen[str]", words: str) -> str:
    """Read standard error up to the line that holds some words."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if words in line:
            return seen
    raise AssertionError(f"{words!r} never came:\n{seen}")

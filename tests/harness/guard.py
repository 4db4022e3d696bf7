"""Ends the children of a test run that was killed and could not do it itself.

It runs as a process of its own and reads `+pid` and `-pid` lines from the run. The end of the pipe means
that the run is gone; the process groups that are still listed are killed.
"""

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress


def watch(lines: Iterable[str]) -> None:
    """Follow the list until its end, then kill what is left on it."""
    alive: set[int] = set()
    for line in lines:
        (alive.add if line[0] == "+" else alive.discard)(int(line[1:]))
    for group in alive:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    watch(sys.stdin)

"""Waiting for a server to become ready: a deadline, a probe, and the reason if it never was."""

import time
from collections.abc import Callable

from harness.errors import StartFailed
from harness.process import Child

_PAUSE = 0.05


def until_ready(child: Child, ready: Callable[[], bool], timeout: float) -> None:
    """Poll `ready` until it is true; a child that ends first, or the deadline, is StartFailed."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not child.running:
            raise StartFailed(
                f"{child.command[0]} ended with status {child.exit_status}:\n{child.log_tail()}"
            )
        if ready():
            return
        time.sleep(_PAUSE)
    raise StartFailed(f"{child.command[0]} was not ready after {timeout:g} s:\n{child.log_tail()}")

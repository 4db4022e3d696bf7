"""Child processes that end with the test run, however it ends."""

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

_LOG_TAIL = 4_000
_alive: set["Child"] = set()


class Child:
    """One server process: own session, own log file, no share in our terminal or pipes.

    A child that inherited stdout would hold a pipe of the test run open after its end.
    """

    def __init__(
        self, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self.env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.env,
                cwd=self.log.parent,
                start_new_session=True,
            )
        _alive.add(self)

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.command[0]} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process runs; asking also reaps it, so no zombie is left behind."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def wait(self, timeout: float) -> None:
        """Wait for the end; subprocess.TimeoutExpired after `timeout` seconds."""
        if self._process is not None:
            self._process.wait(timeout)
            _alive.discard(self)

    def stop(self, timeout: float = 30.0) -> None:
        """Ask it to end by SIGTERM, and kill it with its whole group if it does not in `timeout` seconds."""
        if not self.running:
            return
        os.kill(self.pid, signal.SIGTERM)
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the process and all it started in its session's group."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):  # the group may have ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)
        _alive.discard(self)

    def log_tail(self) -> str:
        """Last lines the process wrote, for error messages."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:] if self.log.exists() else ""


def kill_all() -> None:
    """Kill every child that still runs."""
    for child in list(_alive):
        child.kill()


def end_on_sigterm() -> None:
    """Make SIGTERM an ordinary SystemExit, so that fixtures and atexit still run."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


atexit.register(kill_all)

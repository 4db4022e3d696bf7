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
_GUARD = Path(__file__).with_name("guard.py")


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
        _children.add(self)

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

    def stop(self, timeout: float = 30.0) -> None:
        """Ask it to end by SIGTERM; after `timeout` seconds, kill it with its whole group."""
        if self._process is None or not self.running:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the process and all it started in its group, and wait for its end."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):  # the group may have ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)
        _children.discard(self)

    def log_tail(self) -> str:
        """Last lines the process wrote, for error messages."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:] if self.log.exists() else ""


class _Children:
    """Those that run, here and in the guard, which outlives a run that is killed."""

    def __init__(self) -> None:
        self._alive: set[Child] = set()
        self._lock = threading.Lock()
        self._guard: subprocess.Popen[str] | None = None

    def add(self, child: Child) -> None:
        with self._lock:
            self._alive.add(child)
            self._tell(f"+{child.pid}\n")

    def discard(self, child: Child) -> None:
        with self._lock:
            if child in self._alive:
                self._alive.remove(child)
                self._tell(f"-{child.pid}\n")

    def kill_all(self) -> None:
        """Kill every child that still runs, and end the guard by closing its pipe."""
        for child in list(self._alive):
            child.kill()
        if self._guard is not None:
            self._guard.communicate()

    def _tell(self, line: str) -> None:
        if self._guard is None:
            # Of its own session, so that a signal to the run's group does not reach it.
            self._guard = subprocess.Popen(
                [sys.executable, "-I", str(_GUARD)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        if self._guard.stdin is not None:
            self._guard.stdin.write(line)
            self._guard.stdin.flush()


_children = _Children()
atexit.register(_children.kill_all)


def end_on_sigterm() -> None:
    """Make SIGTERM an ordinary SystemExit, so that fixtures and atexit still run."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)

"""One run of the eventspan command, which tests kill, stop, restart and measure."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from harness.process import Child

_POLL = 0.02
_RUNNING = b"bridge running"
COMMAND = (sys.executable, "-m", "eventspan_bridges", "run")


class BridgeProcess:
    """A worker on a bridge file. Its log is appended to over restarts."""

    def __init__(self, file: Path, state: Path, log: Path, *options: str, failpoints: str = "") -> None:
        command = [*COMMAND, str(file), "--state", str(state), *options]
        self._begin = log.stat().st_size if log.exists() else 0
        self._child = Child(command, log, {"EVENTSPAN_FAILPOINTS": failpoints, "PYTHONFAULTHANDLER": "1"})
        self._child.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.running

    @property
    def log(self) -> str:
        """What it and those before it have logged."""
        return self._child.log.read_text(errors="replace")

    def started(self, timeout: float = 30.0) -> None:
        """Wait until its bridge runs: from then on a signal is handled."""
        self.until(lambda: _RUNNING in self._logged() or not self.running, timeout, "start")

    def _logged(self) -> bytes:
        with self._child.log.open("rb") as log:
            log.seek(self._begin)
            return log.read()

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens to one that has ended."""
        if self.running:
            os.kill(self.pid, number)

    def kill9(self) -> None:
        """SIGKILL it and all it started, and wait until they are gone."""
        self._child.kill()

    def ended(self, timeout: float, what: str) -> int:
        """Wait for its end; returns the exit status, negative for the signal that killed it."""
        self.until(lambda: not self.running, timeout, what)
        status = self._child.exit_status
        assert status is not None
        self._child.kill()  # the processes of its group, and the list of those to end
        return status

    def drained(self, timeout: float = 40.0) -> float:
        """SIGTERM it once it runs; fails unless it ends well in time. Returns the seconds it took."""
        self.started()
        begun = time.monotonic()
        self.signal(signal.SIGTERM)
        status = self.ended(timeout, "drain")
        assert status == 0, f"exit status {status}:\n{self._child.log_tail()}"
        return time.monotonic() - begun

    def alive(self) -> None:
        """Fail if it has ended."""
        assert self.running, f"ended with {self._child.exit_status}:\n{self._child.log_tail()}"

    def until(self, reached: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait until `reached` holds; fails after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not reached():
            assert time.monotonic() < deadline, f"{what}: not in {timeout:g} s\n{self._child.log_tail()}"
            time.sleep(_POLL)

    def rss_mib(self) -> float:
        """Memory of the process and its children in RAM, in MiB."""
        return sum(_rss_kib(pid) for pid in (self.pid, *_children(self.pid))) / 1024

    def peak_mib(self) -> float:
        """The most memory the process itself has ever had in RAM, in MiB."""
        return _status(self.pid, "VmHWM") / 1024


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _rss_kib(pid: int) -> int:
    with suppress(OSError):
        return _status(pid, "VmRSS")
    return 0


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

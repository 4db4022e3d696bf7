"""Runs a copier as a process of its own and measures it from outside."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECS = 0.1


class Run(NamedTuple):
    """One copy of a topic or queue."""

    rate: float
    """Events a second between a tenth and nine tenths of them."""
    cpu_us: float
    """CPU microseconds of the copier per event in the same stretch."""
    rss_mib: float
    """Resident memory at the end of it."""


class Failed(RuntimeError):
    """A copier ended early, or did not get done in time."""


def cpu_secs(pid: int) -> float:
    """User and system time a process has used so far."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    with open(f"/proc/{pid}/status") as status:
        lines = [line for line in status if line.startswith("VmRSS")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def copy(
    command: Sequence[str], arrived: Callable[[], int], count: int, log: str, timeout: float = 300
) -> Run:
    """Run a copier until ``count`` events have arrived; then end it."""
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))}
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
        try:
            return _measure(process, arrived, count, time.monotonic() + timeout)
        except Failed as error:
            with open(log, errors="replace") as said:
                error.add_note(said.read()[-2000:])
            raise
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _measure(
    process: "subprocess.Popen[bytes]", arrived: Callable[[], int], count: int, deadline: float
) -> Run:
    first: tuple[float, float, int] | None = None
    while True:
        done, now = arrived(), time.monotonic()
        if process.poll() is not None and done < count:
            raise Failed(f"ended with {process.returncode} after {done} of {count}")
        cpu = cpu_secs(process.pid)
        if first is None and done >= count / 10:
            first = (now, cpu, done)
        if first is not None and done >= count * 0.9:
            events = done - first[2]
            rss = rss_mib(process.pid)
            return Run(events / (now - first[0]), (cpu - first[1]) / events * 1e6, rss)
        if now > deadline:
            raise Failed(f"only {done} of {count} in time")
        time.sleep(SAMPLE_SECS)

"""The eventspan command as a person calls it, and what has to hold of every answer it gives to bad input."""

import ctypes
import functools
import os
import resource
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.process import Child

COMMAND = (sys.executable, "-m", "eventspan_bridges")
WRONG, PENDING = 2, 3
_ENOUGH = 30.0
"""Seconds after which a command that does not end is a failure of its own."""
_POLL = 0.02
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE")


def canary() -> str:
    """A secret nobody else has, to be planted and looked for afterwards."""
    return f"canary{uuid.uuid4().hex}"


@dataclass(frozen=True)
class Answer:
    """What a command that has ended left behind."""

    status: int
    """Exit code; negative for the signal that killed it."""
    out: str
    err: str
    cpu: float
    """Seconds of processor time."""
    peak_mib: float
    """Most memory it had at a time."""
    secs: float
    """Seconds from its start to its end."""

    @property
    def text(self) -> str:
        return self.out + self.err


def call(
    folder: Path,
    *arguments: object,
    env: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
    data: bytes = b"",
    confined: bool = False,
) -> Answer:
    """Run the command in a folder until it ends; `confined` takes away what root may do to any file."""
    streams = [folder / f".{name}-{uuid.uuid4().hex}" for name in ("in", "out", "err")]
    streams[0].write_bytes(data)
    begun = time.monotonic()
    with streams[0].open("rb") as stdin, streams[1].open("wb") as out, streams[2].open("wb") as err:
        process = subprocess.Popen(
            [*command, *map(str, arguments)], stdin=stdin, stdout=out, stderr=err, cwd=folder,
            env=environment(folder, env), preexec_fn=_give_up_root if confined else None,
        )  # fmt: skip
        status, usage, peak_kib = _ended(process)
    secs = time.monotonic() - begun
    out_text, err_text = (stream.read_text(errors="surrogateescape") for stream in streams[1:])
    for stream in streams:
        stream.unlink()
    return Answer(status, out_text, err_text, usage.ru_utime + usage.ru_stime, peak_kib / 1024, secs)


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing of whoever runs the tests but what a program needs to start."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "HOME": str(folder), "PYTHONFAULTHANDLER": "1", **(more or {})}


def _ended(process: "subprocess.Popen[bytes]") -> tuple[int, resource.struct_rusage, int]:
    """Status, processor time, and the peak of its memory in KiB."""
    handle = os.pidfd_open(process.pid)
    peak, ready, deadline = 0, False, time.monotonic() + _ENOUGH
    # What the system adds up at the end counts the memory of whoever started the process too.
    while not ready and time.monotonic() < deadline:
        ready = bool(select.select([handle], [], [], _POLL)[0])
        peak = max(peak, _peak_kib(process.pid))
    os.close(handle)
    if not ready:
        process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert ready, f"{process.args!r} had not ended after {_ENOUGH:g} s"
    return process.returncode, usage, peak


def _peak_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0  # it has ended and gives no account any more


_CAPBSET_DROP, _DAC_OVERRIDE, _DAC_READ_SEARCH = 24, 1, 2


def _give_up_root() -> None:
    libc = ctypes.CDLL(None)
    for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)


@functools.cache
def startup() -> float:
    """Processor time of a command that only starts and ends."""
    begun = os.times()
    subprocess.run(
        [*COMMAND, "version"], env=environment(Path("/")), capture_output=True, check=True, timeout=60
    )
    ended = os.times()
    return ended.children_user + ended.children_system - begun.children_user - begun.children_system


def assert_refused(answer: Answer, *words: str, status: int = WRONG, secrets: Sequence[str] = ()) -> None:
    """A refusal with these words, soon, small, without a traceback and without a secret."""
    assert answer.status == status, answer.text
    for word in words:
        assert word in answer.text, answer.text
    assert_quiet(answer.text, secrets)
    assert answer.cpu - startup() < 1.0, f"{answer.cpu:.2f} s of processor time"
    assert answer.peak_mib < 256, f"{answer.peak_mib:.0f} MiB"


def assert_quiet(text: str, secrets: Sequence[str]) -> None:
    """No traceback, and none of the secrets."""
    assert "Traceback" not in text, text
    for secret in secrets:
        assert secret not in text, text


def assert_nowhere(folder: Path, secrets: Sequence[str]) -> None:
    """None of the secrets in any file below a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in content], path


class Running:
    """A command that goes on, with one log of all it says; it ends with the block."""

    def __init__(self, folder: Path, *arguments: object, env: Mapping[str, str] | None = None) -> None:
        self.log = folder / f"log-{uuid.uuid4().hex[:8]}"
        self._child = Child([*COMMAND, *map(str, arguments)], self.log, env)

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        self._child.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()

    @property
    def text(self) -> str:
        with suppress(FileNotFoundError):
            return self.log.read_text(errors="replace")
        return ""

    @property
    def pid(self) -> int:
        return self._child.pid

    def says(self, *words: str, timeout: float = 20.0) -> float:
        """Wait until one line holds all the words; returns the seconds since the start."""
        self.until(
            lambda: any(all(word in line for word in words) for line in self.text.splitlines()), timeout
        )
        return time.monotonic() - self._begun

    def until(self, reached: Callable[[], bool], timeout: float = 20.0) -> None:
        """Wait until something holds that is to be seen from outside."""
        deadline = time.monotonic() + timeout
        while not reached():
            assert self._child.running, f"ended with {self._child.exit_status}:\n{self.text}"
            assert time.monotonic() < deadline, f"not in {timeout:g} s:\n{self.text}"
            time.sleep(_POLL)

    def stopped(self, timeout: float = 20.0) -> int:
        """SIGTERM it; returns the exit code it ends with."""
        self._child.stop(timeout)
        return self._status()

    def ended(self, timeout: float = 30.0) -> int:
        """Wait for it to end by itself; returns its exit code."""
        deadline = time.monotonic() + timeout
        while self._child.running:
            assert time.monotonic() < deadline, f"had not ended after {timeout:g} s:\n{self.text}"
            time.sleep(_POLL)
        return self._status()

    def _status(self) -> int:
        status = self._child.exit_status
        assert status is not None
        return status

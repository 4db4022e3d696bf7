"""Failpoints strike where and when they are told to, and cost nothing otherwise."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from eventspan import failpoints
from eventspan.failpoints import FailpointError


def run(armed: str, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"from eventspan.failpoints import *\nfrom eventspan import failpoints\n{code}",
        ],
        env={**os.environ, failpoints.VARIABLE: armed},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_kill9_dies_the_third_time() -> None:
    passing = "for n in range(5): failpoint('sink.after_write'); print(n, flush=True)"
    died = run("sink.after_write=kill9:3", passing)
    assert died.returncode == -signal.SIGKILL
    assert died.stdout.split() == ["0", "1"]


@pytest.mark.parametrize(
    "armed", ["sink.after_writ=kill9", "sink.after_write=explode", "nonsense", "sink.after_write"]
)
def test_a_failpoint_that_cannot_strike_stops_the_start(armed: str) -> None:
    failed = run(armed, "")
    assert failed.returncode == 1
    assert f"{failpoints.VARIABLE}: no failpoint" in failed.stderr


def test_unset_it_is_a_function_that_does_nothing() -> None:
    found = run("", "print(failpoint is failpoints._nowhere)")
    assert found.stdout.strip() == "True"
    failpoints._nowhere("sink.after_write")


def test_it_strikes_once_and_only_at_its_place() -> None:
    pass_by = failpoints._armed("state.before_write=raise, ack.after_commit=enospc:2")
    pass_by("state.after_write")
    with pytest.raises(FailpointError):
        pass_by("state.before_write")
    pass_by("state.before_write")
    pass_by("ack.after_commit")
    with pytest.raises(OSError, match=r".") as caught:
        pass_by("ack.after_commit")
    assert caught.value.errno == errno.ENOSPC


def test_every_stage_is_named() -> None:
    assert {"source.after_poll", "dlq.before", "shutdown.step8", "reconnect.after"} <= failpoints.NAMES

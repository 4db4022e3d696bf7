"""A run says which servers were real; on CI one that is missing fails it."""

import os
import subprocess
import sys
from pathlib import Path

from harness.ports import free_ports

_ROOT = Path(__file__).parents[2]
_TEST = "tests/brokers/test_servers.py::test_shared_kafka_carries_what_was_produced"


def _run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    variables = {**os.environ, "CI": "", **env}
    return subprocess.run(
        command, cwd=_ROOT, env=variables, capture_output=True, text=True, timeout=120, check=False
    )


def _nobody() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


def test_a_missing_server_is_named_with_the_tests_that_did_not_run() -> None:
    nobody = _nobody()
    done = _run(_TEST, EVENTSPAN_TEST_KAFKA=nobody)
    assert done.returncode == 0, done.stdout
    assert f"MISSING: kafka: EVENTSPAN_TEST_KAFKA points at {nobody}, which does not answer" in done.stdout
    assert f"not run: {_TEST}: " in done.stdout
    assert "1 skipped" in done.stdout.splitlines()[-1]


def test_on_ci_a_missing_server_fails_the_run() -> None:
    done = _run(_TEST, EVENTSPAN_TEST_KAFKA=_nobody(), CI="true")
    assert done.returncode == 1
    assert "MISSING: kafka" in done.stdout


def test_a_run_that_needs_no_server_starts_none() -> None:
    done = _run("tests/harness_tests/test_jdk.py", CI="true")
    assert done.returncode == 0, done.stdout
    assert "real:" not in done.stdout
    assert "MISSING" not in done.stdout

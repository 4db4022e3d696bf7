"""The test's side of an oracle: it starts the process, asks it, and waits for what it says."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from harness.oracle.ends import Plan
from harness.oracle.report import Report, Status

_TESTS = Path(__file__).parents[2]
_ASK_EVERY = 0.05


class Oracle:
    """One oracle process; it ends with the test's pipe, even where the test is killed."""

    def __init__(self, plan: Plan, log: Path) -> None:
        self.plan = plan
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness.oracle", json.dumps(plan.packed())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": str(_TESTS)},
                start_new_session=True,
                text=True,
            )
        self._log = log
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process; safe twice."""
        self._process.kill()
        self._process.wait(30)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def feed(self, count: int, rate: float | None = None) -> None:
        """Begin to send `count` more records, `rate` a second, and return at once."""
        self._ask({"do": "feed", "count": count, "rate": rate})

    def status(self) -> Status:
        found = Status(**self._ask({"do": "status"}))
        assert found.error is None, f"the oracle failed: {found.error}"
        return found

    def catch_up(self) -> Status:
        """Status once everything at the target now was seen."""
        self._ask({"do": "catch up"})
        return self.status()

    def wait(self, reached: Callable[[Status], bool], what: str, timeout: float = 60.0) -> Status:
        """Status when `reached` holds; AssertionError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            status = self.status()
            if reached(status):
                return status
            assert time.monotonic() < deadline, f"{what}: not after {timeout:g} s, {status}"
            time.sleep(_ASK_EVERY)

    def settle(self, stall: float, alive: Callable[[], None] = lambda: None) -> Status:
        """Wait until everything fed was confirmed and seen.

        It goes on for as long as there is progress, and ends `stall` seconds after the last; a `stall`
        longer than three session timeouts tells a loss from a wait. `alive` may raise to end it early.
        """
        status, since = self.status(), time.monotonic()
        while not status.settled:
            alive()
            time.sleep(_ASK_EVERY)
            before, status = status, self.status()
            since = time.monotonic() if status != before else since
            if time.monotonic() - since > stall:
                break
        return status

    def report(self) -> Report:
        """Everything found, the target read to its end."""
        return Report(**self._ask({"do": "report"}))

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        found: dict[str, Any] = json.loads(line)
        return found

    def _ended(self) -> AssertionError:
        return AssertionError(f"the oracle has ended:\n{self._log.read_text(errors='replace')[-3000:]}")

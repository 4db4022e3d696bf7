"""The last lines of a run: which servers were real, which were missing and what therefore did not run."""

import os
from collections.abc import Iterable
from typing import Any

import pytest

from harness.shared import Shared


def must_be_complete() -> bool:
    """Whether a missing server fails the run: on CI it does."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def not_run(reporter: pytest.TerminalReporter) -> list[pytest.TestReport]:
    """Tests of real servers that were skipped."""
    return [report for report in reporter.stats.get("skipped", []) if "broker" in report.keywords]


def write(reporter: pytest.TerminalReporter, servers: Iterable[Shared[Any]]) -> None:
    """Write the lines; nothing where no test asked for a server."""
    for shared in servers:
        name = shared.system.name
        if shared.found is not None:
            reporter.write_line(f"real: {name} {shared.found}")
        elif shared.missing is not None:
            reporter.write_line(f"MISSING: {name}: {shared.missing}", red=True)
    for report in not_run(reporter):
        reporter.write_line(f"not run: {report.nodeid}: {_reason(report)}", yellow=True)


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")

"""What the command costs before it does anything, and what it must not import."""

import subprocess
import sys
import time

import pytest

from harness.command import FINITE, Write

CLIENTS = {"aio_pika", "aiormq", "confluent_kafka", "pamqp"}
HEAVY = CLIENTS | {"cel_expr_python", "msgspec", "pydantic", "rich", "ruamel", "stevedore", "uvloop"}
RUNS = 15


def _secs(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, timeout=60)
    return time.perf_counter() - began


def test_help_costs_at_most_five_times_an_empty_program() -> None:
    bare, help = [], []
    for _ in range(RUNS):
        bare.append(_secs(["-c", "pass"]))
        help.append(_secs(["-m", "eventspan_bridges", "--help"]))
    assert min(help) <= 5 * min(bare)


def _imported(*arguments: str, env: dict[str, str] | None = None) -> set[str]:
    code = (
        "import sys\nfrom eventspan_bridges.cli import main\ntry:\n    main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=env,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["version"],
        ["completion", "bash"],
        ["run", "--help"],
        ["send", "--help"],
        ["offsets", "set", "-h"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    assert _imported(*arguments).isdisjoint(HEAVY)


def test_completing_imports_no_command() -> None:
    words = {"_EVENTSPAN_COMPLETE": "bash_complete", "COMP_WORDS": "eventspan pl", "COMP_CWORD": "1"}
    assert _imported(env=words).isdisjoint(HEAVY)


def test_lint_imports_no_client_the_file_does_not_use(write: Write) -> None:
    assert _imported("lint", write(FINITE)).isdisjoint(CLIENTS)

"""``run`` as a process: exit codes, signals, state, and what it says at the end."""

import json
import os
import pty
import signal
import sys
from pathlib import Path

import pytest

from harness.command import ENDLESS, FINITE, Run, Start, Write, until

STUCK = """\
version: 1
bridges:
  orders:
    source: {type: memory, name: in, generate: {rate: 5000/s, count: 5}}
    sink: {type: memory, name: out, max_event: 1B}
    dead_letter: {type: memory, name: dead, max_event: 1B}
    delivery: {drain_timeout: 100ms}
"""
"""Refuses every event and every dead letter: halted, with events pending."""


def test_finite_work_ends_with_0_and_a_summary(run: Run, write: Write) -> None:
    done = run("run", write(FINITE), "-o", "json")
    assert done.returncode == 0, done.stderr
    assert "orders: received 5, delivered 4, dead-lettered 0, filtered 1, pending 0" in done.stderr
    found = json.loads(done.stdout)
    assert found["exit_code"] == 0
    assert found["bridges"]["orders"]["delivered"] == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_ends_in_order(start: Start, write: Write, number: int) -> None:
    process = start("run", write(ENDLESS))
    until(process, "bridge running")
    process.send_signal(number)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "draining" in words
    assert "pending 0" in words


def test_work_that_cannot_end_exits_with_3(start: Start, write: Write) -> None:
    process = start("run", write(STUCK))
    until(process, "halted")
    process.send_signal(signal.SIGTERM)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "delivered 0" in words
    assert "pending 0" not in words


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_leaves_at_once(start: Start, write: Write, number: int, code: int) -> None:
    process = start("run", write(STUCK.replace("100ms", "1h")))
    until(process, "halted")
    process.send_signal(number)
    until(process, "draining")
    process.send_signal(number)
    assert process.wait(timeout=10) == code


def test_standard_input_holds_a_bridge_file(run: Run) -> None:
    done = run("run", "-", input=FINITE)
    assert done.returncode == 0, done.stderr
    assert "received 5" in done.stderr


def test_only_the_bridges_asked_for_run(run: Run, write: Write) -> None:
    both = FINITE + FINITE.partition("bridges:\n")[2].replace("orders", "others").replace(
        "name: in", "name: i2"
    )
    done = run("run", write(both), "--bridge", "others")
    assert done.returncode == 0, done.stderr
    assert "others: received 5" in done.stderr
    assert "orders: received" not in done.stderr
    assert run("run", write(both), "--bridge", "nobody").returncode == 2


def test_variables_come_from_a_file_and_the_environment_wins(run: Run, write: Write, tmp_path: Path) -> None:
    path = write(FINITE.replace("count: 5", 'count: "${COUNT}"'))
    variables = tmp_path / "variables"
    variables.write_text("# how many\nexport COUNT='3'\n")
    assert "received 3" in run("run", path, "--env-file", str(variables)).stderr
    assert "received 2" in run("run", path, "--env-file", str(variables), env={"COUNT": "2"}).stderr
    variables.write_text("COUNT\n")
    done = run("run", path, "--env-file", str(variables))
    assert done.returncode == 2
    assert "variables:1: no NAME=value" in done.stderr


def test_the_log_can_be_json(run: Run, write: Write) -> None:
    done = run("run", write(FINITE), "--log", "json")
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert {"bridge": "orders", "side": "bridge", "state": "done"}.items() <= lines[-1].items()


def test_flags_win_over_the_environment(run: Run, write: Write) -> None:
    path = write(FINITE)
    assert run("run", path, env={"EVENTSPAN_RUN_LOG_LEVEL": "error"}).stderr.count("\n") == 1
    done = run("run", path, "--log-level", "info", env={"EVENTSPAN_RUN_LOG_LEVEL": "error"})
    assert "running" in done.stderr


def test_a_hangup_reads_the_file_again_and_keeps_the_old_one_while_it_is_broken(
    start: Start, write: Write
) -> None:
    process = start("run", write(STUCK))
    until(process, "halted")
    write("version: [")
    process.send_signal(signal.SIGHUP)
    until(process, "its last good settings stay")
    write(STUCK.replace("name: dead, max_event: 1B", "name: dead, max_event: 1MiB"))
    process.send_signal(signal.SIGHUP)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "dead-lettered 5" in words


def test_a_bar_is_drawn_on_a_terminal(start: Start, write: Write) -> None:
    ours, theirs = pty.openpty()
    text = FINITE.replace("5000/s", "10/s").replace("count: 5", "count: 8")
    process = start("run", write(text), "--progress", "auto", stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:
            break
        if not block:
            break
        seen += block
    os.close(ours)
    assert process.wait(timeout=30) == 0
    assert b"received 8, delivered" in seen


def test_lines_stand_for_the_bar_elsewhere(run: Run, write: Write) -> None:
    text = FINITE.replace("5000/s", "1/s").replace("count: 5", "count: 4")
    done = run("run", write(text), "--progress", "plain", "--log-level", "error")
    assert done.returncode == 0
    assert "orders: running, " in done.stderr


def test_the_interpreter_that_runs_the_tests_runs_the_command(run: Run) -> None:
    assert f"Python {sys.version.split()[0]}" in run("version").stdout

"""``run --processes``: children share one run, are started again, and end with their supervisor."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from harness.command import ENDLESS, FINITE, Run, Start, Write, until

PLUGIN = """\
from dataclasses import replace
from eventspan.connector import SourceTraits
from eventspan_connectors.memory import connector as memory
source = replace(memory.source, traits=SourceTraits(shared=True), refine=None)
connector = replace(memory, name="shared", source=source)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """The environment of a plug-in whose source several processes may read."""
    folder = tmp_path / "plugin"
    info = folder / "shared_test-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "shared_test.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shared-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[eventspan.connectors]\nshared = shared_test:connector\n")
    return {"PYTHONPATH": str(folder)}


def shared(text: str) -> str:
    return text.replace("source: {type: memory", "source: {type: shared")


def child(words: str, number: int) -> int:
    found = re.findall(rf"process {number} started \((\d+)\)", words)
    return int(found[-1])


def test_every_process_does_its_part(run: Run, write: Write, plugin: dict[str, str]) -> None:
    done = run("run", write(shared(FINITE)), "--processes", "2", "-o", "json", env=plugin)
    assert done.returncode == 0, done.stderr
    parts = [json.loads(line) for line in done.stdout.splitlines()]
    assert {part["process"] for part in parts} == {1, 2}
    assert all(part["bridges"]["orders"]["received"] == 5 for part in parts)


def test_a_source_for_one_process_is_refused(run: Run, write: Write) -> None:
    done = run("run", write(FINITE), "--processes", "2")
    assert done.returncode == 2
    assert "bridge orders: source (memory) cannot be read by several processes" in done.stderr


def test_a_killed_child_is_started_again_and_the_lease_lasts(
    run: Run, start: Start, write: Write, plugin: dict[str, str]
) -> None:
    path = write(shared(ENDLESS))
    process = start("run", path, "--processes", "2", env=plugin)
    words = until(process, "bridge running")
    words += until(process, "bridge running")
    os.kill(child(words, 1), signal.SIGKILL)
    again = until(process, "process 1 started")
    assert "was killed by SIGKILL; starting it again" in again
    until(process, "bridge running")
    second = run("run", path, env=plugin)
    assert second.returncode == 2
    assert "running already" in second.stderr
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert run("run", write(shared(FINITE)), env=plugin).returncode == 0


def test_children_that_have_not_begun_end_well(start: Start, write: Write, plugin: dict[str, str]) -> None:
    process = start("run", write(shared(ENDLESS)), "--processes", "2", env=plugin)
    until(process, "process 2 started")
    process.send_signal(signal.SIGTERM)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 0, words


def test_children_end_with_their_supervisor(start: Start, write: Write, plugin: dict[str, str]) -> None:
    process = start("run", write(shared(ENDLESS)), "--processes", "2", env=plugin)
    until(process, "bridge running")
    until(process, "bridge running")
    process.kill()
    # Standard error is held by the children too: it ends when the last of them has ended.
    _, words = process.communicate(timeout=30)
    assert words.count("pending 0") == 2


def test_one_signal_is_enough_and_a_second_leaves_at_once(
    start: Start, write: Write, plugin: dict[str, str]
) -> None:
    stuck = shared(ENDLESS).replace(
        "dead_letter: stop", "dead_letter: {type: memory, name: d, max_event: 1B}"
    )
    stuck = stuck.replace("name: out}", "name: out, max_event: 1B}") + "    delivery: {drain_timeout: 1h}\n"
    process = start("run", write(stuck), "--processes", "2", env=plugin)
    words = until(process, "halted") + until(process, "halted")
    os.kill(child(words, 1), signal.SIGSTOP)  # too busy to hear anything
    process.send_signal(signal.SIGINT)
    until(process, "draining")
    process.send_signal(signal.SIGINT)
    # Standard error is held by the children too: it ends when the last of them has ended.
    process.communicate(timeout=10)
    assert process.returncode == 130

"""Bridges with one side that cannot work yet, and the same bridges once it can."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.answer import PENDING, Answer, assert_nowhere, assert_refused, call

EVENTS = [
    {"specversion": "1.0", "id": str(n), "source": "/shop", "type": "t", "data": {"n": n}} for n in range(20)
]
INPUT, OUTPUT = {"type": "file", "path": "in.jsonl"}, {"type": "file", "path": "out.jsonl"}
ENOUGH_SECS = 5.0
"""Seconds a refusal may take on a machine that does other things; alone it is one."""


def bridge(folder: Path, source: dict[str, Any], sink: dict[str, Any], **more: Any) -> Path:
    """A file with one bridge; JSON is YAML, and needs no thought about quotes."""
    sides = {"source": source, "sink": sink, "dead_letter": "stop", "delivery": {"drain_timeout": "1s"}}
    path = folder / "orders.yaml"
    path.write_text(json.dumps({"version": 1, "bridges": {"orders": {**sides, **more}}}))
    return path


def write_events(folder: Path) -> None:
    """The events that wait in a file."""
    (folder / "in.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))


def read_ids(folder: Path) -> list[str]:
    """The ids of what came to a file, in order, each once."""
    path = folder / "out.jsonl"
    found = [json.loads(line)["id"] for line in path.read_text().splitlines()] if path.exists() else []
    return list(dict.fromkeys(found))


def drained(folder: Path, path: Path) -> Answer:
    """Run until nothing is left; fails unless nothing is."""
    answer = call(folder, "run", path, "--until", "drained", "--state", folder / "state")
    assert answer.status == 0, answer.text
    return answer


def halts(
    folder: Path, path: Path, side: str, *words: str, secrets: Sequence[str] = (), advised: bool = True
) -> Answer:
    """Run what cannot work: it names the side and what to do, ends with work pending, and tells no secret."""
    answer = call(folder, "run", path, "--until", "drained", "--state", folder / "state")
    assert_refused(answer, status=PENDING, secrets=secrets)
    told = [line for line in answer.err.splitlines() if f" orders {side} halted: " in line]
    assert told, answer.text
    for word in words:
        assert word in told[0], answer.text
    assert told[0].endswith(")") or not advised, f"no word of what to do: {told[0]}"
    assert answer.secs < ENOUGH_SECS, answer.secs
    assert_nowhere(folder / "state", secrets)
    return answer

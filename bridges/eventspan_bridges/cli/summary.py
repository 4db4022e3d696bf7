"""The last word about each bridge of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from eventspan.errors import summary
from eventspan_bridges.cli import output
from eventspan_bridges.worker import Worker

_ALWAYS = (
    ("received", "received"),
    ("delivered", "delivered"),
    ("deadlettered", "dead-lettered"),
    ("filtered", "filtered"),
)
_SOMETIMES = (("expired", "expired"), ("stale", "stale"), ("retried", "retried"), ("dropped", "dropped"))


def say(
    worker: Worker, names: Sequence[str], form: Literal["text", "json"], child: int | None, code: int
) -> None:
    """One line per bridge on standard error; with ``json``, one object on standard output."""
    for name in names:
        output.words((f"process {child}: " if child is not None else "") + line(worker, name))
    if form == "json":
        bridges = {name: _fields(worker, name) for name in names}
        process = {} if child is None else {"process": child}
        output.data(json.dumps({**process, "exit_code": code, "bridges": bridges}, ensure_ascii=False))


def line(worker: Worker, name: str) -> str:
    """``orders: received 5, delivered 5, dead-lettered 0, filtered 0, pending 0``."""
    bridge, failure = worker.bridges.get(name), worker.failed.get(name)
    reason = f"failed: {summary(failure)}" if failure else ""
    if bridge is None:
        return f"{name}: {reason or 'not started'}"
    counters = bridge.counters
    parts = [f"{word} {getattr(counters, field)}" for field, word in _ALWAYS]
    parts += [f"{word} {getattr(counters, field)}" for field, word in _SOMETIMES if getattr(counters, field)]
    return f"{name}: {', '.join(parts)}, pending {counters.pending}" + (f"; {reason}" if reason else "")


def _fields(worker: Worker, name: str) -> dict[str, Any]:
    bridge, failure = worker.bridges.get(name), worker.failed.get(name)
    error = summary(failure) if failure else None
    if bridge is None:
        return {"state": "failed" if failure else "starting", "error": error}
    counted = msgspec.to_builtins(bridge.counters)
    return {"state": bridge.status.state.value, "error": error, **counted, "pending": bridge.counters.pending}

"""A bridge for one command: it ends when its work is done, and gives up where a worker would wait."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eventspan import Connector, Context, EventspanError, Settings, Sink, SinkSpec, SinkTraits
from eventspan.state import MemoryStore
from eventspan_bridges import logs
from eventspan_bridges.settings import BridgeSettings, SinkEnd
from eventspan_bridges.status import State, Status
from eventspan_bridges.worker import Worker

_LOOK_SECS = 0.1


@dataclass(frozen=True)
class Pumped:
    """How it ended."""

    code: int
    """What a worker would exit with."""
    error: EventspanError | None
    """Why it was given up."""
    worker: Worker


def sink_of(build: Callable[[Context], Sink], side: str, name: str = "stdout", **traits: bool) -> SinkEnd:
    """A sink of the command itself."""

    def make(_: Settings, context: Context) -> Sink:
        return build(context)

    spec: SinkSpec[Any] = SinkSpec(Settings, make, SinkTraits(**traits))
    return SinkEnd(Connector(name=name, summary="", sink=spec), Settings(), side)


def pump(
    settings: BridgeSettings,
    *,
    bounded: bool = False,
    timeout: float | None = None,
    until: asyncio.Event | None = None,
) -> Pumped:
    """Run a bridge until it is drained, stopped, halted, or cut off for ``timeout`` seconds.

    It is drained as soon as ``until`` is set.
    """
    logs.configure("text", "CRITICAL")
    return asyncio.run(_pump(settings, bounded, timeout, until or asyncio.Event()))


async def _pump(
    settings: BridgeSettings, bounded: bool, patience: float | None, until: asyncio.Event
) -> Pumped:
    worker = Worker([settings], MemoryStore(), bounded=bounded)
    worker.handle_signals(lambda number: os._exit(128 + number))
    run = asyncio.create_task(worker.run())
    error = None
    while not run.done():
        await asyncio.wait([run], timeout=_LOOK_SECS)
        error = error or _trouble(worker, settings.name, patience)
        if error is not None or until.is_set():
            worker.drain()
    return Pumped(run.result(), error, worker)


def _trouble(worker: Worker, name: str, patience: float | None) -> EventspanError | None:
    """What a worker would wait out and a command must not."""
    bridge = worker.bridges.get(name)
    if bridge is None:
        return None
    statuses = [bridge.source.status, *(outlet.link.status for outlet in bridge.every_outlet)]
    return next((found for status in statuses if (found := _given_up(status, patience))), None)


def _given_up(status: Status, patience: float | None) -> EventspanError | None:
    late = patience is not None and time.time() - status.since > patience
    if status.state is State.HALTED or (status.state is State.RETRYING and late):
        reason = (status.reason or "").partition(": ")[2] or status.reason or "not connected"
        return EventspanError(f"{status.side}: {reason}", help=status.help)
    return None

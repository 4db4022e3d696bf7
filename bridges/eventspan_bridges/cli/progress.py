"""How far a run has got: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Literal, Protocol

from eventspan.endpoint import Positioned
from eventspan_bridges.cli import output
from eventspan_bridges.status import State
from eventspan_bridges.worker import Worker

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from eventspan_bridges.bridge import Bridge

BAR_SECS, LINE_SECS = 0.2, 3.0


class View(Protocol):
    """Shows where the bridges stand."""

    every: float
    """Seconds between two looks."""

    def show(self, name: str, bridge: Bridge, total: int | None, rate: float) -> None: ...


@asynccontextmanager
async def shown(
    worker: Worker, names: Sequence[str], wanted: Literal["auto", "plain", "off"], *, bounded: bool
) -> AsyncIterator[None]:
    """Show progress while the block runs, as far as that is wanted and of use."""
    if wanted == "off" or (wanted == "auto" and not bounded):
        yield
        return
    bar = wanted == "auto" and sys.stderr.isatty()
    with _bars(names) if bar else _lines() as view:
        task = asyncio.create_task(_follow(worker, names, view, bounded=bounded))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


async def _follow(worker: Worker, names: Sequence[str], view: View, *, bounded: bool) -> None:
    totals: dict[str, int | None] = {}
    before = dict.fromkeys(names, 0)
    last = time.monotonic()
    while True:
        await asyncio.sleep(view.every)
        now = time.monotonic()
        for name in names:
            bridge = worker.bridges.get(name)
            if bridge is None:
                continue
            if bounded and name not in totals and bridge.status.state is not State.STARTING:
                totals[name] = await _total(bridge)
            ended = bridge.counters.received - bridge.counters.pending
            view.show(name, bridge, totals.get(name), (ended - before[name]) / max(now - last, 1e-6))
            before[name] = ended
        last = now


async def _total(bridge: Bridge) -> int | None:
    """Records of the whole run: those that have ended, and those that wait behind the position."""
    source = bridge.source.endpoint
    if not isinstance(source, Positioned):
        return None
    try:
        async with asyncio.timeout(5):
            waiting = sum((await source.lag()).values())
    except Exception:  # noqa: BLE001 -- a bar without an end is no reason to disturb a bridge
        return None
    return waiting + bridge.counters.received - bridge.counters.pending


class _Lines:
    every = LINE_SECS

    def show(self, name: str, bridge: Bridge, total: int | None, rate: float) -> None:
        counters = bridge.counters
        of = f" of {total}" if total is not None else ""
        ended = counters.received - counters.pending
        output.words(
            f"{name}: {bridge.status.state.value}, {ended}{of} done, {counters.pending} pending, {rate:.0f}/s"
        )


class _Bars:
    every = BAR_SECS

    def __init__(self, progress: Progress, names: Sequence[str]) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {
            name: progress.add_task(output.safe(name), total=None, state="starting", rate="")
            for name in names
        }

    def show(self, name: str, bridge: Bridge, total: int | None, rate: float) -> None:
        counters = bridge.counters
        ended = counters.received - counters.pending
        self._progress.update(
            self._tasks[name], completed=ended, total=total if total is None else max(total, ended),
            state=bridge.status.state.value, rate=f"{rate:.0f}/s",
        )  # fmt: skip


@contextmanager
def _lines() -> Iterator[View]:
    yield _Lines()


@contextmanager
def _bars(names: Sequence[str]) -> Iterator[View]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        *(TextColumn(f"{{task.{field}}}") for field in ("description", "fields[state]")),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as progress, _logs_above():
        yield _Bars(progress, names)


@contextmanager
def _logs_above() -> Iterator[None]:
    """Let log lines go through what standard error is now, so that they do not tear the bar."""
    handlers = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)]
    before = [handler.setStream(sys.stderr) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            if stream is not None:
                handler.setStream(stream)

"""Runs the bridges of some files in this process, from the first signal handler to the last word."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eventspan.errors import ConfigError
from eventspan_bridges import logs
from eventspan_bridges.cli import known, progress, state, summary
from eventspan_bridges.cli.boundary import EXIT_WRONG, told
from eventspan_bridges.cli.files import BridgeFiles, Reread
from eventspan_bridges.worker import EXIT_FAILED, Worker

EXIT_DEFECT = 70
"""What a child of a supervisor says when something broke that nobody has foreseen."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a call of ``run`` asks for."""

    paths: Sequence[Path]
    names: Sequence[str] = ()
    until: Literal["drained"] | None = None
    state: Path | None = None
    env_file: Path | None = None
    log_form: Literal["text", "json"] = "text"
    log_level: str = "info"
    progress: Literal["auto", "plain", "off"] = "auto"
    form: Literal["text", "json"] = "text"
    child: int | None = None


def run(request: Request) -> int:
    """Run until drained or stopped; returns the exit code. Raises what is wrong before the start."""
    # Whoever sends it during the start means bridges that are not there yet.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    files = BridgeFiles(request.paths, request.env_file)
    settings = files.load(request.names)
    logs.configure(request.log_form, request.log_level.upper())
    folder = state.folder(request.state)
    store = state.store(folder)
    if request.child is None:
        known.remember(folder, request.paths, settings)
    _settle_memory()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            reread = Reread(files, settings)
            bounded = request.until is not None
            worker = Worker(settings, store, folder=state.data(folder), bounded=bounded, reread=reread)
            return runner.run(_work(worker, reread, request))
    except Exception as error:
        if request.child is None:
            raise
        code = told(error)
        return code if isinstance(error, ConfigError) else EXIT_DEFECT
    finally:
        store.close()


async def _work(worker: Worker, reread: Reread, request: Request) -> int:
    worker.handle_signals(_leave)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _look_again, worker, reread)
    if request.child is not None:
        _end_with_supervisor(worker)
    names = reread.names
    async with progress.shown(worker, names, request.progress, bounded=request.until is not None):
        code = await worker.run()
    if code == EXIT_FAILED and all(isinstance(error, ConfigError) for error in worker.failed.values()):
        code = EXIT_WRONG
    summary.say(worker, names, request.form, request.child, code)
    return code


def _look_again(worker: Worker, reread: Reread) -> None:
    reread.forget()
    worker.prod()


def _leave(number: int) -> None:
    """Leave without another word: whoever signals twice does not want to wait."""
    logging.shutdown()
    os._exit(128 + number)


def _end_with_supervisor(worker: Worker) -> None:
    # Standard input is a pipe that only the supervisor holds: its end is the supervisor's end.
    loop = asyncio.get_running_loop()

    def on_end() -> None:
        loop.remove_reader(sys.stdin)
        worker.drain()

    loop.add_reader(sys.stdin, on_end)


def _settle_memory() -> None:
    """Keep what lives as long as the process out of every collection from here on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop

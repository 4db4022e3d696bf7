"""Several processes that share the work of the same bridges, started again when one of them dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from eventspan import owner
from eventspan.errors import ConfigError
from eventspan.state import LeaseTaken
from eventspan.state_sqlite import SqliteStore
from eventspan_bridges.cli import known, output, state
from eventspan_bridges.cli.files import STANDARD_INPUT, BridgeFiles
from eventspan_bridges.cli.running import EXIT_DEFECT, Request
from eventspan_bridges.delivery.backoff import full_jitter
from eventspan_bridges.settings import BridgeSettings
from eventspan_bridges.worker import RUN_LANE

STEADY_SECS = 60.0
"""A process that has lived this long has started well; its next death is a first one."""
_GRAVITY = (0, 3, 1, 2)
"""Exit codes, the gravest last."""


def run(request: Request, processes: int) -> int:
    """Run until every process has ended by itself; returns the gravest of their exit codes."""
    if STANDARD_INPUT in request.paths:
        raise ConfigError("several processes cannot read one standard input", help="give a file")
    settings = BridgeFiles(request.paths, request.env_file).load(request.names)
    for bridge in settings:
        _refuse_unshared(bridge)
    folder = state.folder(request.state)
    store = state.store(folder)
    known.remember(folder, request.paths, settings)
    holder = owner.current()
    try:
        _hold(store, settings, holder)
        return asyncio.run(Supervisor(arguments(request), holder, processes).run())
    finally:
        # The newest lease is a child's; taken over once more, it can be given up.
        for bridge in settings:
            _free(store, bridge.name, holder)
        store.close()


def arguments(request: Request) -> list[str]:
    """The command line of a child."""
    chosen = [f"--bridge={name}" for name in request.names]
    given = {
        "--until": request.until, "--state": request.state, "--env-file": request.env_file,
        "--log": request.log_form, "--log-level": request.log_level, "--progress": request.progress,
        "--output": request.form,
    }  # fmt: skip
    flags = [f"{name}={value}" for name, value in given.items() if value is not None]
    return ["run", *chosen, *flags, "--processes=1", "--", *map(str, request.paths)]


def _refuse_unshared(bridge: BridgeSettings) -> None:
    spec = bridge.source.connector.source
    assert spec is not None
    if not spec.traits_of(bridge.source.settings).shared:
        raise ConfigError(
            f"bridge {bridge.name}: source ({bridge.source.connector.name}) cannot be read by several "
            "processes: it has neither a consumer group nor lanes with leases",
            help="run it with one process, and the others with --bridge in a run of their own",
        )


def _hold(store: SqliteStore, settings: Sequence[BridgeSettings], holder: str) -> None:
    held = []
    for bridge in settings:
        try:
            held.append(store.acquire(bridge.name, RUN_LANE, holder))
        except LeaseTaken as error:
            for lease in held:
                store.release(lease)
            help = "stop it, or give this one another name or state folder"
            raise ConfigError(f"bridge {bridge.name} is running already: {error}", help=help) from error


def _free(store: SqliteStore, name: str, holder: str) -> None:
    try:
        store.release(store.acquire(name, RUN_LANE, holder))
    except LeaseTaken:
        return


class Supervisor:
    """Starts processes, passes signals on, and starts again what has died."""

    def __init__(self, arguments: Sequence[str], holder: str, processes: int) -> None:
        self._arguments = arguments
        self._environment = {**os.environ, owner.VARIABLE: holder}
        self._count = processes
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """Keep every process running until it ends by itself; returns the gravest exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._forward, signal.SIGHUP)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._keep(number)) for number in range(1, self._count + 1)]
        code = max((task.result() for task in tasks), key=_gravity)
        return code if code >= 0 else 128 - code

    async def _keep(self, number: int) -> int:
        """One process, again after each death; returns what it ended with."""
        loop, attempt = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            child = await self._start(number)
            code = await child.wait()
            del self._children[number]
            if self._stopping.is_set() and code == -signal.SIGTERM:
                return 0  # it had not begun: from then on it ends by itself
            if self._stopping.is_set() or not _died(code):
                return code
            attempt = 1 if loop.time() - began > STEADY_SECS else attempt + 1
            wait = full_jitter(attempt, 1.0, 60.0)
            output.words(f"process {number} ({child.pid}) {_how(code)}; starting it again in {wait:.1f} s")
            try:
                await asyncio.wait_for(self._stopping.wait(), wait)
            except TimeoutError:
                continue
            return code

    async def _start(self, number: int) -> asyncio.subprocess.Process:
        # A group of its own: Ctrl-C reaches it once, from here. Its standard input ends with this process.
        verb, *rest = self._arguments
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "eventspan_bridges", verb, f"--child={number}", *rest),
            stdin=asyncio.subprocess.PIPE,
            env=self._environment,
            process_group=0,
        )
        self._children[number] = child
        output.words(f"process {number} started ({child.pid})")
        if self._stopping.is_set():
            child.send_signal(signal.SIGTERM)
        return child

    def _stop(self, number: int) -> None:
        if self._stopping.is_set():
            # Two signals may reach a busy process as one, and it would drain for nobody.
            self._forward(signal.SIGKILL)
            os._exit(128 + number)
        self._forward(signal.SIGTERM)
        self._stopping.set()

    def _forward(self, number: int) -> None:
        for child in self._children.values():
            if child.returncode is None:
                child.send_signal(number)


def _died(code: int) -> bool:
    return code < 0 or code == EXIT_DEFECT


def _how(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else "ended with a defect"


def _gravity(code: int) -> int:
    return _GRAVITY.index(code) if code in _GRAVITY else len(_GRAVITY)

"""Worker: many bridges in one process, none of which can disturb another."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from eventspan import owner
from eventspan.errors import ConfigError, EventspanError, summary
from eventspan.state import Lease, LeaseTaken, StateStore
from eventspan_bridges import lifecycle
from eventspan_bridges.bridge import Bridge
from eventspan_bridges.delivery.backoff import full_jitter
from eventspan_bridges.delivery.ends import Ends
from eventspan_bridges.settings import BridgeSettings
from eventspan_bridges.status import State

RUN_LANE = "@run"
"""The lease that says that a bridge runs."""
DEFECTS = 3
"""How often a bridge of a bounded run may end by what nobody has foreseen."""
EXIT_OK, EXIT_FAILED, EXIT_PENDING = 0, 1, 3

log = logging.getLogger("eventspan")


class Worker:
    """Runs bridges until they are drained or a signal says stop.

    ``reread`` gives the settings of a bridge as its file has them now. ``changed``
    is called, on the loop, when some side enters another state.
    """

    def __init__(
        self,
        settings: Sequence[BridgeSettings],
        state: StateStore,
        *,
        folder: Path | None = None,
        bounded: bool = False,
        reread: Callable[[str], BridgeSettings] | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._state = state
        self._folder = folder
        self._bounded = bounded
        self._reread = reread
        self._told = changed
        self.bridges: dict[str, Bridge] = {}
        """The bridges that could be built, by name."""
        self.failed: dict[str, Exception] = {}
        """Why bridges have failed for good."""
        self._leases: list[Lease] = []
        self._stopping = asyncio.Event()
        self._watch = asyncio.Event()

    async def run(self) -> int:
        """Run every bridge; returns the exit code. Cancelling it leaves at once."""
        self._acquire()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {s.name: group.create_task(self._keep(s)) for s in self._settings}
                watcher = group.create_task(self._watch_halted(tasks))
                await asyncio.wait(tasks.values())
                watcher.cancel()
        finally:
            self._release()
        return self._exit_code()

    def drain(self) -> None:
        """Stop reading and end every bridge in order."""
        self._stopping.set()
        for bridge in self.bridges.values():
            bridge.stop.set()

    def prod(self) -> None:
        """Look at every halted end now."""
        for bridge in self.bridges.values():
            bridge.prod()

    def handle_signals(self, leave: Callable[[int], None]) -> None:
        """SIGTERM and SIGINT drain, a second one calls ``leave`` with its number; SIGHUP prods."""
        loop = asyncio.get_running_loop()

        def on_stop(number: int) -> None:
            if self._stopping.is_set():
                leave(number)
            self.drain()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self.prod)

    def _acquire(self) -> None:
        for settings in self._settings:
            try:
                self._leases.append(self._state.acquire(settings.name, RUN_LANE, owner.current()))
            except LeaseTaken as error:
                self._release()
                raise ConfigError(
                    f"bridge {settings.name} is running already: {error}",
                    help="stop it, or give this one another name or state folder; if its host is gone "
                    f"for good: eventspan offsets release {settings.name}",
                ) from error

    def _release(self) -> None:
        # What a supervisor holds for all its processes is given up by it alone.
        if owner.VARIABLE not in os.environ:
            for lease in self._leases:
                self._state.release(lease)

    async def _keep(self, settings: BridgeSettings) -> None:
        """Run one bridge, again after what nobody has foreseen, until it is over."""
        attempt = 0
        while not self._stopping.is_set():
            try:
                bridge = self._build(settings)
                await lifecycle.run(bridge, bounded=self._bounded)
            except ConfigError as error:
                self._fail(settings.name, error)
                return
            except Exception as error:
                attempt += 1
                if self._bounded and attempt == DEFECTS:
                    self._fail(settings.name, error)
                    return
                log.exception(
                    "bridge failed", extra={"fields": {"bridge": settings.name, "error": summary(error)}}
                )
                await self._pause(full_jitter(attempt, 1.0, 60.0))
            else:
                self._over(settings.name, bridge)
                return

    async def _pause(self, secs: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), secs)
        except TimeoutError:
            return

    def _build(self, settings: BridgeSettings) -> Bridge:
        reread = self._reread
        name = settings.name
        again = (lambda: reread(name)) if reread else None
        try:
            bridge = Bridge(settings, Ends(settings, self._state, self._folder, again), self._changed)
        except EventspanError:
            raise
        except Exception as error:
            raise ConfigError(f"bridge {name} cannot be built: {type(error).__name__}") from error
        self.bridges[name] = bridge
        if self._stopping.is_set():
            bridge.stop.set()
        return bridge

    def _over(self, name: str, bridge: Bridge) -> None:
        if bridge.failure is not None:
            self._fail(name, bridge.failure)
        else:
            bridge.status.enter(State.DONE)

    def _fail(self, name: str, error: Exception) -> None:
        self.failed[name] = error
        if name in self.bridges:
            self.bridges[name].status.enter(State.FAILED, error)
        else:
            log.error("failed", extra={"fields": {"bridge": name, "error": summary(error)}})

    def _changed(self) -> None:
        self._watch.set()
        self._told()

    async def _watch_halted(self, tasks: Mapping[str, asyncio.Task[None]]) -> None:
        """When a bounded run has nothing left but halted bridges, end them."""
        while self._bounded:
            await self._watch.wait()
            self._watch.clear()
            left = [
                self.bridges[name] for name, task in tasks.items() if not task.done() and name in self.bridges
            ]
            if left and all(bridge.halted for bridge in left):
                for bridge in left:
                    bridge.stuck = True
                    bridge.stop.set()

    def _exit_code(self) -> int:
        if self.failed:
            return EXIT_FAILED
        stuck = any(b.counters.pending for b in self.bridges.values())
        halted = self._bounded and any(b.halted for b in self.bridges.values())
        return EXIT_PENDING if stuck or halted else EXIT_OK

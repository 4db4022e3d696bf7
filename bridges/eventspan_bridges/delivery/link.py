"""Link: the connection of one side, kept up, restored, and probed when halted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from eventspan import ConfigError, Halted
from eventspan.endpoint import Endpoint
from eventspan.failpoints import failpoint
from eventspan_bridges.delivery.backoff import full_jitter, probe
from eventspan_bridges.settings import Retry
from eventspan_bridges.status import State, Status

E = TypeVar("E", bound=Endpoint)


class Link(Generic[E]):
    """Owns an endpoint and decides when to connect it again.

    ``build`` makes an endpoint from settings read afresh. A halted end is built anew
    for every probe, so that a rotated secret or a mended file is picked up.
    """

    def __init__(self, build: Callable[[], E], status: Status, retry: Retry) -> None:
        self._build = build
        self._retry = retry
        self.status = status
        self.endpoint = build()
        self._halts = 0
        self._prodded = asyncio.Event()

    async def open(self) -> None:
        """Connect for the first time, for as long as it takes."""
        await self._connect(0)

    def healthy(self) -> None:
        """Note that something got through."""
        self._halts = 0
        if self.status.state is not State.RUNNING:
            self.status.enter(State.RUNNING)

    def prod(self) -> None:
        """Look at a halted end now instead of when its back-off says."""
        self._prodded.set()

    async def restore(self, reason: Exception, trouble: int, *, halted: bool) -> None:
        """Get the connection back after ``trouble`` failures in a row."""
        failpoint("reconnect.start")
        await (self._halt(reason) if halted else self._retrying(reason, trouble))
        await self._connect(trouble)
        failpoint("reconnect.after")

    async def _connect(self, attempt: int) -> None:
        while True:
            try:
                await self._attempt()
            except (Halted, ConfigError) as error:
                await self._halt(error)
            except Exception as error:  # noqa: BLE001 -- whatever a plug-in raises, the bridge goes on trying
                attempt += 1
                await self._retrying(error, attempt)
            else:
                self._connected()
                return

    async def _attempt(self) -> None:
        if self._halts:
            await self.endpoint.close()
            self.endpoint = self._build()
        await self.endpoint.connect()

    def _connected(self) -> None:
        # Halted ends connect and are refused later: only a success clears that.
        if not self._halts:
            self.status.enter(State.RUNNING)

    async def _halt(self, reason: Exception) -> None:
        """Wait until it is worth another look; a halt right after a halt waits longer."""
        self.status.enter(State.HALTED, reason)
        self._halts += 1
        await self._wait(probe(self._halts))

    async def _retrying(self, reason: Exception, attempt: int) -> None:
        self.status.enter(State.RETRYING, reason)
        await self._pause(attempt)

    async def _pause(self, attempt: int) -> None:
        await asyncio.sleep(full_jitter(max(attempt, 1), self._retry.first, self._retry.max))

    async def _wait(self, secs: float) -> None:
        # A prod that came while nothing waited counts: what was mended may have been mended then.
        try:
            await asyncio.wait_for(self._prodded.wait(), secs)
        except TimeoutError:
            return
        self._prodded.clear()

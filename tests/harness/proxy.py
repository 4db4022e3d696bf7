"""A TCP proxy that breaks connections on request and counts how often each fault struck."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

from harness.ports import free_ports
from harness.proxy_faults import Direction, Fault, Faults, Weather
from harness.proxy_link import Link, Side

__all__ = ["Direction", "Fault", "Proxy"]

_TIMEOUT = 10.0
_ResultT = TypeVar("_ResultT")


class Proxy:
    """Forwards `port` on loopback to `host`:`upstream`; runs in its own thread, so any test can use it.

    A fault holds for open and new connections until `heal` or until another one replaces it in its direction.
    `connections` counts the accepted ones and `struck` how often each fault did something: a test whose fault
    never struck has shown nothing.
    """

    def __init__(self, host: str, upstream: int) -> None:
        self.port = free_ports(1)[0]
        self.connections = 0
        self.struck: Counter[Fault] = Counter()
        self._upstream = (host, upstream)
        self._weather = Weather()
        self._links: set[Link] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._serve_in_thread, name="fault proxy", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; returns when connections are accepted."""
        self._thread.start()
        if not self._ready.wait(_TIMEOUT):
            raise TimeoutError(f"the proxy does not listen on {self.port}")

    def stop(self) -> None:
        """Reset what is open, stop listening and end the thread; safe twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_TIMEOUT)

    def latency(self, seconds: float, *ways: Direction) -> None:
        """Hold each chunk back by `seconds`, one after the other, which limits the throughput too."""
        self._replace(ways, Faults(latency=seconds))

    def black_hole(self, *ways: Direction) -> None:
        """Deliver nothing while connections stay open; after `heal` it arrives, as TCP would resend it."""
        self._replace(ways, Faults(black_hole=True))

    def cut_after(self, size: int, *ways: Direction) -> None:
        """Forward `size` more bytes on each connection, then end it on both sides."""
        self._replace(ways, Faults(cut_after=size))

    def refuse(self) -> None:
        """Reset every new connection at once; open ones go on."""
        self._set_refusing(True)

    def vanish(self) -> None:
        """Stop listening, as if nobody had ever been there; open connections go on."""
        self._wait(self._unlisten())

    def reset(self) -> int:
        """Send RST to both ends of every open connection; gives how many were open."""
        return self._inside(self._reset_links)

    def heal(self) -> None:
        """No fault any more; connections that were broken stay so."""
        self._set_refusing(False)
        self._replace((), Faults())
        self._wait(self._listen())

    def _replace(self, ways: tuple[Direction, ...], faults: Faults) -> None:
        self._inside(lambda: self._weather.replace(ways, faults))

    def _set_refusing(self, value: bool) -> None:
        self._inside(lambda: setattr(self._weather, "refusing", value))

    def _reset_links(self) -> int:
        for link in self._links:
            link.reset()
        self.struck[Fault.RESET] += len(self._links)
        return len(self._links)

    def _inside(self, action: Callable[[], _ResultT]) -> _ResultT:
        """Run `action` in the loop and wait for it, so that the change holds when the call returns."""

        async def run() -> _ResultT:
            return action()

        return self._wait(run())

    def _wait(self, work: Coroutine[Any, Any, _ResultT]) -> _ResultT:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_TIMEOUT)

    def _serve_in_thread(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        await self._listen()
        self._ready.set()
        await self._stopping.wait()
        await self._unlisten()
        self._reset_links()
        # Pumps that a black hole holds would otherwise wait for a change that cannot come.
        self._weather.replace((), Faults())

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        client = Side(reader, writer)
        if self._weather.refusing:
            self.struck[Fault.REFUSE] += 1
            client.reset()
            return
        try:
            server = Side(*await asyncio.open_connection(*self._upstream))
        except OSError:
            client.reset()
            return
        await self._forward(Link(client, server, self._weather, self.struck))

    async def _forward(self, link: Link) -> None:
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

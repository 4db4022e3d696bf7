"""A thread for the blocking calls of one endpoint, in the order they are made."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OwnThread:
    """Runs calls off the loop, one at a time; starts with the first and ends with ``stop``.

    The pool of the loop has a handful of threads for everything: a few endpoints that wait
    for a lock there would stop all others.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pool: ThreadPoolExecutor | None = None

    def start(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "asyncio.Future[T]":
        """Make a call after those already made; cancelling the future stops one not yet begun."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, self._name)
        return asyncio.get_running_loop().run_in_executor(self._pool, partial(call, *args, **kwargs))

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call and wait for its result. A cancelled wait does not end a call that has begun."""
        return await self.start(call, *args, **kwargs)

    def stop(self) -> None:
        """Let the thread end after the calls already made. A later call starts another."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

"""Time that passes only when nothing else can happen."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import wraps
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, Unpack

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
A = TypeVarTuple("A")

PATIENCE_SECS = 10.0
"""Real time after which a loop that waits for nothing but other threads is stuck."""


class Stuck(RuntimeError):
    """Every task waits and no timer is left: without virtual time the test would hang."""


class _Selector(selectors.DefaultSelector):
    """Looks for real events first; when there are none, jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or timeout == 0:
            return found
        # A thread's work takes no virtual time: wait for it before moving the clock.
        if self.threads or timeout is None:
            return super().select(PATIENCE_SECS) or self._stuck()
        self.now += timeout
        return found

    def _stuck(self) -> list[tuple[selectors.SelectorKey, int]]:
        raise Stuck(f"nothing has happened for {PATIENCE_SECS} s, and no timer is set")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose ``time`` starts at zero and jumps to the next timer when idle.

    Sleeps, timeouts and back-off cost nothing and end in the order they would have.
    The clock stands still while ``run_in_executor`` or ``to_thread`` is at work. Not
    for sockets or clients with threads of their own: their time is real.
    """

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[A]], T], *args: *A
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._clock.threads += 1
        future.add_done_callback(self._back)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        self._clock.threads += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._clock.threads -= 1

    def _back(self, _: asyncio.Future[Any]) -> None:
        self._clock.threads -= 1


def virtual_time(test: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """Decorate an async test: it runs on a ``VirtualTimeLoop`` of its own.

    For tests whose fixtures are not bound to a loop. Not to be used within a
    running loop.
    """

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(test(*args, **kwargs))

    return run

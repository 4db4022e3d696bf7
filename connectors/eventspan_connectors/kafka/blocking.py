"""Blocking calls of one endpoint: off the loop, one at a time, and never left behind."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Blocking:
    """Runs calls in a thread. A cancelled one still ends, and ``idle`` waits for it."""

    def __init__(self) -> None:
        self._last: asyncio.Future[Any] | None = None

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call when the one before has ended."""
        await self.idle()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        # Whoever waited may be cancelled meanwhile; what it then fails with is nobody's any more.
        future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        self._last = future
        # A thread of its own: a pool keeps threads, and holds up the end of the process.
        work = partial(_work, future, partial(call, *args, **kwargs))
        threading.Thread(target=work, name="eventspan-kafka-call", daemon=True).start()
        return await asyncio.shield(future)

    async def idle(self) -> None:
        """Wait until nothing runs any more."""
        while self._last is not None and not self._last.done():
            await asyncio.wait([self._last])


def _work(future: asyncio.Future[Any], call: Callable[[], Any]) -> None:
    try:
        outcome = partial(_settle, future, call(), None)
    except BaseException as error:  # noqa: BLE001 -- it belongs to whoever waits
        outcome = partial(_settle, future, None, error)
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        future.get_loop().call_soon_threadsafe(outcome)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)

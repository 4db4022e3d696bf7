"""One write's outstanding messages: a countdown, and failures by index."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError


class Receipt:
    """Counts delivery reports on the polling thread, and tells the loop when all are in."""

    __slots__ = ("_loop", "_over", "_reported", "_sent", "failures", "future", "refused")

    def __init__(self, loop: asyncio.AbstractEventLoop, over: Callable[["Receipt"], None]) -> None:
        self.failures: dict[int, KafkaError] = {}
        """What the brokers refused, by index in the write."""
        self.refused: dict[int, Exception] = {}
        """What was refused before it was sent."""
        self.future: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._over = over
        self._reported = 0
        self._sent = -1

    def slot(self, index: int) -> "partial[None]":
        """The callback for one message."""
        return partial(self._delivered, index)

    def sent(self, count: int) -> None:
        """Say how many messages were handed over in all. From the loop."""
        self._sent = count
        # Each side writes its own number before it reads the other's, so at least one of
        # them sees that both are equal; the loop takes a second notice for none.
        if self._reported == count:
            self._over(self)

    def _delivered(self, index: int, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self.failures[index] = error
        self._reported = reported = self._reported + 1
        if reported == self._sent:
            self._tell()

    def _tell(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._over, self)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

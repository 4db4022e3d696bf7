"""One write's outstanding messages: a countdown, and failures by index."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from confluent_kafka import KafkaError

Slot: TypeAlias = "Callable[[KafkaError | None, Any], None]"

SPARE = 16
LARGEST = 2_000


class Receipt:
    """Counts delivery reports on the polling thread, and tells the loop when all are in.

    Its slots, one callback per message, outlive a write: making them is a good part
    of what a message costs.
    """

    __slots__ = ("_expected", "_loop", "_over", "_reported", "_slots", "failures", "future", "refused")

    def __init__(self, loop: asyncio.AbstractEventLoop, over: Callable[["Receipt", bool], None]) -> None:
        self.failures: dict[int, KafkaError] = {}
        """What the brokers refused, by index in the write."""
        self.refused: dict[int, Exception] = {}
        """What was refused before it was sent."""
        self.future: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._over = over
        self._reported = 0
        self._expected = -1
        self._slots: list[Slot] = []

    def slots(self, count: int) -> list[Slot]:
        """The callbacks of this many messages, by index."""
        slots = self._slots
        slots += [self._slot(index) for index in range(len(slots), count)]
        return slots

    def sent(self, count: int) -> None:
        """Say how many messages were handed over in all. From the loop."""
        self._expected = count
        # Each side writes its own number before it reads the other's, so at least one of
        # them sees that both are equal; the loop takes a second notice for none.
        if self._reported == count:
            self._over(self, False)

    def renew(self) -> bool:
        """Be ready for another write, if nothing of the last one can still be heard.

        Only after the polling thread has told that all reports are in: it says nothing later.
        """
        if self.failures or self.refused or len(self._slots) > LARGEST:
            return False
        self.future = self._loop.create_future()
        self._reported, self._expected = 0, -1
        return True

    def _slot(self, index: int) -> Slot:
        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is not None:
                self.failures[index] = error
            self._reported = reported = self._reported + 1
            if reported == self._expected:
                self._tell()

        return delivered

    def _tell(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._over, self, True)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more


class Receipts:
    """The receipts of one sink: those of open writes, and a few to use again."""

    def __init__(self, over: Callable[[Receipt], None]) -> None:
        self._over = over
        self._spare: list[Receipt] = []
        self.open: set[Receipt] = set()

    def take(self) -> Receipt:
        """A receipt for one write. From the loop."""
        receipt = self._spare.pop() if self._spare else Receipt(asyncio.get_running_loop(), self._ended)
        self.open.add(receipt)
        return receipt

    def _ended(self, receipt: Receipt, told: bool) -> None:
        if not receipt.future.done():
            self._over(receipt)
        self.open.discard(receipt)
        if told and len(self._spare) < SPARE and receipt.renew():
            self._spare.append(receipt)

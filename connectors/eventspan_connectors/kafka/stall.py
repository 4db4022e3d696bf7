"""Notices when writes have been without an answer for long, and when they move again."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from confluent_kafka import KafkaError

from eventspan.errors import EventspanError, NotConnected
from eventspan_connectors.kafka.errors import translate

Tell: TypeAlias = Callable[[EventspanError | None], None]

PATIENCE_SECS = 10.0


class Stall:
    """Watches the open writes of one sink. All calls come from the loop.

    A producer that has lost its brokers tries again by itself, and has to: only the same
    producer knows which records arrived although their answer was lost. So nothing is
    given up, and ``tell`` hears why nothing moves, and None when it does again.
    """

    def __init__(self, servers: Sequence[str], tell: Tell) -> None:
        self._servers = servers
        self._tell = tell
        self._timer: asyncio.TimerHandle | None = None
        self._heard: KafkaError | None = None
        self._moved = False
        self._told = False

    def wait(self) -> None:
        """A write waits for its answer."""
        if self._timer is None:
            self._moved = False
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_SECS, self._look)

    def hear(self, error: KafkaError) -> None:
        """The client complains; if nothing moves, this is why."""
        self._heard = error

    def move(self, *, waiting: bool) -> None:
        """Answers have come; ``waiting`` says whether more are owed."""
        self._moved = True
        if self._told:
            self._told = False
            self._tell(None)
        if not waiting:
            self.end()

    def end(self) -> None:
        """Nothing waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._moved:
            self._told = True
            self._tell(self._reason())
        self.wait()

    def _reason(self) -> EventspanError:
        if self._heard is not None:
            return translate(self._heard, "producer", self._servers)
        return NotConnected(
            f"producer: no answer from {', '.join(self._servers)} for {PATIENCE_SECS:g} s",
            help="check the partition leaders of the topic, and the network",
        )

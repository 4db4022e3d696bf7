"""A queue as a source: deliveries in batches, acknowledged by their tags."""

import asyncio
import logging
from typing import Any

from eventspan.batch import Batch
from eventspan.context import Context
from eventspan.endpoint import Finding
from eventspan.errors import EndOfStream, EventspanError, Halted, NotConnected
from eventspan.failpoints import failpoint
from eventspan.tracker import Tracker
from eventspan_connectors.amqp import checks
from eventspan_connectors.amqp.config import AmqpSource
from eventspan_connectors.amqp.errors import closed
from eventspan_connectors.amqp.frames import Delivery
from eventspan_connectors.amqp.link import Link
from eventspan_connectors.amqp.records import Maker
from eventspan_connectors.amqp.settling import Settling, ack_frame, nack_frame

log = logging.getLogger(__name__)

_SOON = 0.002
"""Seconds for which settlements gather before they are told as one."""
_GATHER = 0.001
"""Seconds for which messages gather into one batch while they keep coming."""
_GAP = 0.05
"""Seconds a settled event waits behind a slow one before it is acknowledged by itself."""


class Source:
    """Reads one queue. A lane is the queue, its epoch one channel."""

    def __init__(self, settings: AmqpSource, context: Context) -> None:
        self.deliveries: list[Delivery] = []
        self.tracker = Tracker(self._moved)
        self._settings = settings
        self._context = context
        self._lane = settings.queue
        self._maker = Maker(settings)
        self._link: Link | None = None
        self._channel = 0
        self._tag = 0
        """The last delivery tag handed out."""
        self._settling = Settling()
        self._failure: EventspanError | None = None
        self._arrival = asyncio.Event()
        self._admitting = asyncio.Event()
        self._admitting.set()
        self._bounded = False
        self._last = 0.0
        self._waited = False
        self._timers: dict[float, asyncio.TimerHandle] = {}
        self._opened = False
        self._connected = False

    async def connect(self) -> None:
        """Open the connection and consume. Raises ``NotConnected`` or ``Halted``."""
        if self._connected and self._failure is None:
            return
        self._connected = False
        await self._release()
        if self._opened:
            failpoint("reconnect.start")
        link = self._link = Link(self._settings, f"eventspan {self._context.bridge} {self._context.side}")
        self._failure = None
        link.on_failure = self._lost
        try:
            await link.open()
            await self._consume(link)
        except EventspanError as error:
            # What the broker said first is better than what the library made of it.
            raise (self._failure or error) from error
        if self._failure is not None:
            raise self._failure
        if self._opened:
            failpoint("reconnect.after")
        self._opened = self._connected = True

    async def _consume(self, link: Link) -> None:
        channel = await link.channel()
        self._channel = channel.number
        self._settling = Settling()
        self._tag = 0
        self.tracker.assign(self._lane)
        self._last = asyncio.get_running_loop().time()
        link.attach(channel.number, self)
        declare = self._settings.declare
        if declare is not None:
            table = declare.table()
            await link.call(channel.queue_declare(self._lane, durable=declare.durable, arguments=table))
        await link.call(channel.basic_qos(prefetch_count=self._settings.prefetch))
        await link.call(channel.basic_consume(self._lane, _unexpected))

    async def read(self) -> Batch:
        """Wait for messages; at most ``batch`` of what is there."""
        failpoint("source.before_poll")
        while True:
            await self._admitting.wait()
            if self._failure is not None:
                raise self._failure
            if self._link is None:
                raise NotConnected("not connected")
            if not self.deliveries:
                await self._wait()
            elif self._gathered():
                self._in_sequence()
                return self._batch()
            else:
                await self._gather(self._link)

    async def _wait(self) -> None:
        self._arrival.clear()
        if not self._bounded:
            await self._arrival.wait()
            return
        left = self._last + self._settings.idle - asyncio.get_running_loop().time()
        if left <= 0:
            raise EndOfStream(f"queue {self._lane} had no message for {self._settings.idle:g} s")
        try:
            async with asyncio.timeout(left):
                await self._arrival.wait()
        except TimeoutError:
            return

    def _gathered(self) -> bool:
        """Whether to hand out what is there: a lone message at once, a stream in larger parts."""
        if self._waited or len(self.deliveries) >= self._settings.batch:
            return True
        return asyncio.get_running_loop().time() - self._last > 10 * _GATHER

    async def _gather(self, link: Link) -> None:
        # What is left in the socket meanwhile is read at once afterwards, which costs less than in pieces.
        link.hold()
        try:
            await asyncio.sleep(_GATHER)
        finally:
            link.release()
        self._waited = True

    def _in_sequence(self) -> None:
        """Raise ``NotConnected`` unless delivery tags count up, as acknowledging relies on."""
        taken = self.deliveries[: self._settings.batch]
        if taken[0][0] != self._tag + 1 or taken[-1][0] != self._tag + len(taken):
            self._lost(NotConnected(f"{self._settings.peer} sent delivery tags out of sequence"))
            raise self._failure or NotConnected("delivery tags out of sequence")

    def _batch(self) -> Batch:
        self._waited = False
        size = self._settings.batch
        taken = self.deliveries[:size]
        events = self._maker.events(taken)
        del self.deliveries[:size]
        failpoint("source.after_poll")
        first = taken[0][0]
        self._tag = taken[-1][0]
        span = self.tracker.span(self._lane, 0, len(events), first, first + len(events))
        failpoint("source.after_track")
        self._last = asyncio.get_running_loop().time()
        return Batch(events, [span], self._settle)

    def _settle(self, batch: Batch, reason: Exception | None) -> None:
        (span,) = batch.spans
        if span.epoch == self.tracker.lanes[self._lane].epoch and batch.counts[0]:
            first = int(span.first or 0)
            whole = batch.counts[0] == span.stop - span.start
            ranges = [(first, first + span.stop - 1)] if whole else _ranges(first, batch.indexes())
            if reason is None:
                self._settling.settle(ranges)
                self._later(_GAP, self._tell_behind)
            else:
                self._give_back([tag for low, high in ranges for tag in range(low, high + 1)])
        # A message given back is done with as far as this channel is concerned.
        self.tracker.settle(batch)

    def _give_back(self, tags: list[int]) -> None:
        self._settling.told(tags)
        self._send(b"".join(nack_frame(self._channel, tag) for tag in tags))

    def _moved(self) -> None:
        self._later(_SOON, self._tell)

    def _later(self, delay: float, action: Any) -> None:
        if delay not in self._timers:
            self._timers[delay] = asyncio.get_running_loop().call_later(delay, self._fire, delay, action)

    def _fire(self, delay: float, action: Any) -> None:
        del self._timers[delay]
        action()

    def _tell(self) -> None:
        for commit in self.tracker.commits():
            tag = self._settling.prefix(int(commit.position))
            if tag is not None:
                failpoint("ack.before_commit")
                self._send(ack_frame(self._channel, tag, multiple=True))
                failpoint("ack.after_commit")
            self.tracker.committed(commit, ok=True)

    def _tell_behind(self) -> None:
        self._tell()
        tags = self._settling.singles()
        if tags:
            failpoint("ack.before_commit")
            self._send(b"".join(ack_frame(self._channel, tag, multiple=False) for tag in tags))
            failpoint("ack.after_commit")

    def _send(self, frames: bytes) -> None:
        if self._link is not None and self._failure is None:
            try:
                self._link.write(frames)
            except EventspanError as error:
                self._lost(error)

    async def bound(self) -> None:
        """End once the queue has given nothing for ``idle``."""
        self._last = asyncio.get_running_loop().time()
        self._bounded = True

    async def pause(self) -> None:
        """Hand out no more; at most ``prefetch`` messages stay with this consumer."""
        self._admitting.clear()

    async def resume(self) -> None:
        self._last = asyncio.get_running_loop().time()
        self._admitting.set()

    async def check(self) -> list[Finding]:
        """Look at network, log-in and queue."""
        return await checks.run(self._settings, f"queue {self._lane}", self._look)

    async def _look(self, link: Link) -> None:
        if self._settings.declare is None:
            channel = await link.channel()
            await link.call(channel.queue_declare(self._lane, passive=True))

    async def close(self) -> None:
        """Tell the broker what is settled; it takes the rest back."""
        if self._link is not None and self._failure is None:
            self._tell_behind()
        await self._release()

    async def _release(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.tracker.revoke(self._lane)
        self.deliveries.clear()
        self._failure = self._failure or NotConnected("closed")
        self._arrival.set()
        if self._link is not None:
            self._link.on_failure = _nobody
            await self._link.close()
            self._link = None

    def arrived(self) -> None:
        self._arrival.set()

    def cancelled(self) -> None:
        """The queue is gone, or its leader has moved."""
        self._lost(
            Halted(f"queue {self._lane!r} was deleted or is not available", help="see the broker's log")
        )

    def closed(self, code: int, text: str) -> None:
        self._lost(closed(code, text, self._settings))

    def returned(self, code: int, address: bytes, header: bytes, body: bytes) -> None:
        """Nothing is published on a consuming channel."""

    def confirmed(self, tag: int, *, multiple: bool, ok: bool) -> None:
        """Nothing is published on a consuming channel."""

    def _lost(self, error: EventspanError) -> None:
        if self._failure is not None:
            return
        self._failure = error
        self.deliveries.clear()
        self._arrival.set()
        if self.tracker.owns(self._lane):
            self.tracker.revoke(self._lane)
            self._context.lost([self._lane])


def _nobody(error: EventspanError) -> None:
    """Take a failure nobody waits for any more."""


async def _unexpected(message: object) -> None:
    raise RuntimeError("a delivery took the library's way")


def _ranges(first: int, indexes: list[int]) -> list[tuple[int, int]]:
    """Consecutive indexes as ranges of tags."""
    found: list[tuple[int, int]] = []
    for index in indexes:
        tag = first + index
        if found and found[-1][1] == tag - 1:
            found[-1] = (found[-1][0], tag)
        else:
            found.append((tag, tag))
    return found

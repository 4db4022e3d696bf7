"""The sink: idempotent, in order, durable on every in-sync replica before it says so."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from eventspan.batch import Span
from eventspan.context import Context
from eventspan.endpoint import Finding
from eventspan.errors import EventspanError, Halted, NotConnected, PartialWrite, Rejected
from eventspan.event import Event
from eventspan.failpoints import FailpointError, failpoint
from eventspan.settings import is_template
from eventspan_connectors.kafka import checks, target
from eventspan_connectors.kafka.blocking import Blocking
from eventspan_connectors.kafka.config import KafkaSink, is_topic
from eventspan_connectors.kafka.errors import is_final, translate
from eventspan_connectors.kafka.messages import Writer
from eventspan_connectors.kafka.pump import Pump
from eventspan_connectors.kafka.receipt import Receipt, Receipts
from eventspan_connectors.kafka.stall import Stall
from eventspan_connectors.kafka.untouched import pass_on

ROOM_SECS = 0.005
CLOSE_SECS = 5.0


class Sink:
    """Writes to a topic through one producer; ``write`` returns once events are queued in order."""

    def __init__(self, settings: KafkaSink, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._topic = None if is_template(settings.topic) else settings.topic
        self._writer = Writer(settings)
        self._blocking = Blocking()
        self._pump: Pump | None = None
        self._limits = target.Limits()
        self._single = False
        self._receipts = Receipts(self._over)
        self._stall = Stall(settings.servers, context.trouble)
        self._untouched: str | None = None
        self._error: EventspanError | None = None
        self._connections = 0

    async def connect(self) -> None:
        if self._pump is not None and self._error is None:
            return
        self._connections += 1
        if self._connections > 1:
            failpoint("reconnect.start")
        await self._drop()
        self._limits = await self._blocking.run(target.inspect, self._settings)
        writer = self._writer
        writer.compacted = self._limits.compacted
        plain = writer.native and writer.carries and not writer.compacted
        self._untouched = self._topic if plain else None
        extra = {"batch.num.messages": 1} if self._single else {}
        loop = asyncio.get_running_loop()
        self._pump = Pump(self._settings, self._limits.options() | extra, lambda e: self._heard_from(loop, e))
        self._pump.start()
        self._error = None
        if self._connections > 1:
            failpoint("reconnect.after")

    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> Awaitable[None] | None:
        pump = self._running()
        failpoint("sink.before_write")
        receipt = self._receipts.take()
        half = len(events) // 2
        at = await self._enqueue(pump, events, 0, half, receipt)
        failpoint("sink.mid_write")
        await self._enqueue(pump, events, at, len(events), receipt)
        receipt.sent(len(events) - len(receipt.refused))
        if not receipt.future.done():
            self._stall.wait()
        return receipt.future

    async def close(self) -> None:
        self._fail(NotConnected("the sink is closed"))
        await self._drop()

    async def check(self) -> Sequence[Finding]:
        def look() -> None:
            target.inspect(self._settings)

        return await self._blocking.run(checks.sink, self._settings, look)

    def _running(self) -> Pump:
        if self._error is not None:
            raise self._error
        if self._pump is None:
            raise NotConnected("the sink is not connected")
        return self._pump

    async def _enqueue(
        self, pump: Pump, events: Sequence[Event], at: int, stop: int, receipt: Receipt
    ) -> int:
        """Queue events in order, and wait for room where the queue is full."""
        while at < stop:
            at = self._produce(pump.producer.produce, events, at, stop, receipt)
            if at < stop:
                await asyncio.sleep(ROOM_SECS)
                self._running()
        return at

    def _produce(self, produce: Any, events: Sequence[Event], at: int, stop: int, receipt: Receipt) -> int:
        """Queue events until the queue is full; returns the index after the last one queued."""
        slots, encode = receipt.slots(stop), self._writer.encode
        index = at
        while index < stop:
            if self._untouched:
                index = pass_on(produce, self._untouched, events, slots, index, stop)
                if index == stop:
                    break
            event = events[index]
            try:
                headers, body, key = encode(event)
                stamp = event.transport.timestamp
                produce(
                    self._topic or self._computed(event), body, key, -1, slots[index], None,
                    stamp if stamp and stamp > 0 else 0, headers,
                )  # fmt: skip
            except BufferError:
                return index
            except (Rejected, KafkaException, TypeError, ValueError) as error:
                receipt.refused[index] = self._refusal(error, event)
            index += 1
        return stop

    def _computed(self, event: Event) -> str:
        name = event.destination[0] if event.destination else ""
        if not is_topic(name):
            raise Rejected(f"{name[:60]!r} is no topic name")
        return name

    def _refusal(self, error: Exception, event: Event) -> Exception:
        if isinstance(error, KafkaException):
            return translate(error, f"topic {self._topic or self._computed(event)}", self._settings.servers)
        return error if isinstance(error, Rejected) else Rejected(f"Kafka cannot hold it: {error}")

    def _over(self, receipt: Receipt) -> None:
        """All reports of a write are in."""
        self._stall.move(waiting=len(self._receipts.open) > 1)
        try:
            failures = self._judge(receipt)
            if failures:
                raise PartialWrite(failures)
            failpoint("sink.after_write")
            receipt.future.set_result(None)
        except (EventspanError, FailpointError, OSError) as error:
            # What concerns every open write has ended this one with the others.
            if not receipt.future.done():
                receipt.future.set_exception(error)

    def _judge(self, receipt: Receipt) -> dict[int, Exception]:
        """Failures of single events; raises what concerns all of them."""
        found: dict[int, Exception] = dict(receipt.refused)
        for index, error in receipt.failures.items():
            if error.code() in _GIVEN_UP or error.fatal():
                self._fail(self._error or translate(error, "producer", self._settings.servers))
            elif error.code() in _TOO_LARGE and not self._precise():
                self._single = True
                self._fail(NotConnected("the topic takes smaller batches; events are sent one by one now"))
            found[index] = translate(error, f"topic {self._topic or 'computed'}", self._settings.servers)
            if isinstance(found[index], Halted):
                self._fail(found[index])
            if self._error is not None:
                raise self._error
        return found

    def _precise(self) -> bool:
        """Whether a batch that is too large can only be a single event that is."""
        return self._single or self._limits.max_bytes is not None

    def _heard_from(self, loop: asyncio.AbstractEventLoop, error: KafkaError) -> None:
        try:
            loop.call_soon_threadsafe(self._complained, error)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _complained(self, error: KafkaError) -> None:
        found = translate(error, "producer", self._settings.servers)
        self._stall.hear(error)
        if is_final(error) or isinstance(found, Halted):
            self._fail(found)

    def _fail(self, error: Exception) -> None:
        """Give up every outstanding write, in order, before anything else is written."""
        if self._error is None:
            self._error = error if isinstance(error, EventspanError) else NotConnected(str(error))
        if self._pump is not None:
            self._pump.give_up()
        for receipt in self._receipts.open:
            if not receipt.future.done():
                receipt.future.set_exception(self._error)
        self._receipts.open.clear()
        self._stall.end()

    async def _drop(self) -> None:
        await self._blocking.idle()
        if self._pump is not None:
            self._pump.stop()
            await self._blocking.run(self._pump.join, CLOSE_SECS)
            self._pump = None


_GIVEN_UP = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._FATAL, KafkaError._DESTROY)
_TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)

"""RabbitMQ as the oracle uses it: publishes with confirms by the window, and reads a queue empty."""

import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

from harness.oracle.ends import AmqpEnd
from harness.oracle.ledger import Ledger
from harness.oracle.mint import Mint, Record
from harness.oracle.native import NOTE, Sighting
from harness.oracle.pace import Pace

_WINDOW = 1_000
_TICK = 0.002
_PATIENCE = 120.0
_GONE = (AMQPError, OSError)


def _parameters(end: AmqpEnd) -> pika.URLParameters:
    parameters = pika.URLParameters(end.url)
    parameters.heartbeat = 30
    parameters.socket_timeout = parameters.stack_timeout = 5
    return parameters


def _open(end: AmqpEnd) -> BlockingChannel:
    """A channel on a queue that is there, however long the broker needs to come back."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            channel = pika.BlockingConnection(_parameters(end)).channel()
            channel.queue_declare(end.queue, durable=True, arguments={"x-queue-type": end.kind})
        except _GONE:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return channel


class AmqpFeed:
    """Publishes records; what was not confirmed when a connection ended is never sent again."""

    def __init__(self, end: AmqpEnd, mint: Mint, ledger: Ledger) -> None:
        self._end = end
        self._mint = mint
        self._ledger = ledger
        self._left = 0
        self._pace = Pace(None)
        _open(end).connection.close()

    def feed(self, count: int, pace: Pace) -> None:
        """Send `count` more, and return when every one is answered or its connection is gone."""
        self._left = count
        self._pace = pace
        while self._left:
            _Session(self._end, self._publish).run()
            if self._left:
                _open(self._end).connection.close()

    def _publish(self, session: "_Session", room: int) -> bool:
        """Send what there is room for; whether that was all."""
        for _ in range(min(room, self._left, max(0, self._pace.due))):
            number = self._ledger.issue()
            self._left -= 1
            self._pace.passed(1)
            record = self._mint.record(number)
            session.send(_properties(record), record.body, partial(self._ledger.confirm, number))
        return not self._left


class _Session:
    """One connection in confirm mode, from its opening to its end."""

    def __init__(self, end: AmqpEnd, publish: "Callable[[_Session, int], bool]") -> None:
        self._end = end
        self._publish = publish
        self._waiting: dict[int, Callable[[], None]] = {}
        self._tag = 0
        self._channel: Channel | None = None
        self._connection = pika.SelectConnection(
            _parameters(end),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
            on_open_error_callback=lambda connection, error: connection.ioloop.stop(),
            on_close_callback=lambda connection, error: connection.ioloop.stop(),
        )

    def run(self) -> None:
        """Publish until all is answered or the connection is gone."""
        self._connection.ioloop.start()

    def send(self, properties: BasicProperties, body: bytes, confirm: Callable[[], None]) -> None:
        assert self._channel is not None
        self._tag += 1
        self._waiting[self._tag] = confirm
        self._channel.basic_publish("", self._end.queue, body, properties, mandatory=True)

    def _opened(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(lambda *_: self._leave())
        channel.confirm_delivery(self._answered, lambda _frame: self._tick())

    def _tick(self) -> None:
        if self._channel is None or not self._channel.is_open:
            return
        done = self._publish(self, _WINDOW - len(self._waiting))
        if done and not self._waiting:
            self._leave()
        else:
            self._connection.ioloop.call_later(_TICK, self._tick)

    def _answered(self, frame: Any) -> None:
        method = frame.method
        first = min(self._waiting, default=0) if method.multiple else method.delivery_tag
        for tag in range(first, method.delivery_tag + 1):
            confirm = self._waiting.pop(tag, None)
            if confirm is not None and isinstance(method, Basic.Ack):
                confirm()

    def _leave(self) -> None:
        if self._connection.is_open:
            self._connection.close()


def _properties(record: Record) -> BasicProperties:
    headers = {f"ce-{name}": value for name, value in record.attributes.items() if name != "datacontenttype"}
    return BasicProperties(
        content_type=record.attributes.get("datacontenttype"),
        delivery_mode=2,
        headers={**headers, NOTE: record.note},
    )


class AmqpWatch:
    """Reads a queue, acknowledging as it goes, over restarts of the broker."""

    def __init__(self, end: AmqpEnd, see: Callable[[Sighting], None]) -> None:
        self._end = end
        self._see = see
        self._channel = self._consuming()
        self._idle = False

    def step(self) -> None:
        """Read what is there, or wait a moment for something."""
        try:
            self._read()
        except _GONE:
            self._reopen()

    def finish(self) -> None:
        """Read until the queue is empty."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                self._idle = False
                while not self._idle:
                    self._read()
                if not self._ready():
                    return
            except _GONE:
                self._reopen()
        raise TimeoutError(f"{self._end.queue} cannot be read to its end")

    def _read(self) -> None:
        last = 0
        for method, properties, body in self._channel.consume(self._end.queue, inactivity_timeout=0.05):
            if method is None:
                self._idle = True
                break
            self._see(_sighting(method, properties, body))
            last = method.delivery_tag
            if last % 200 == 0:
                break
        if last:
            self._channel.basic_ack(last, multiple=True)

    def _ready(self) -> int:
        found = self._channel.queue_declare(self._end.queue, passive=True)
        return int(found.method.message_count)

    def _consuming(self) -> BlockingChannel:
        channel = _open(self._end)
        channel.basic_qos(prefetch_count=1_000)
        return channel

    def _reopen(self) -> None:
        with contextlib.suppress(*_GONE):
            self._channel.connection.close()
        self._channel = self._consuming()


def _sighting(method: Basic.Deliver, properties: BasicProperties, body: bytes) -> Sighting:
    headers = list((properties.headers or {}).items())
    return Sighting(headers, properties.content_type, None, body, again=bool(method.redelivered))

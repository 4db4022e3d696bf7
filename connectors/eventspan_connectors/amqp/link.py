"""One aio-pika connection, with its incoming bytes split before the library sees them.

aio-pika and aiormq make the connection: TLS, log-in, tuning, heartbeats, channels,
declarations. Their public hook for transports is what lets messages and confirms take a
shorter way than a task each. Whatever the library raises leaves here as one of ours.
"""

import asyncio
import logging
import ssl
import struct
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aio_pika
from aio_pika.abc import ConnectionParameter
from aiormq.abc import AbstractChannel
from aiormq.connection import TransportFactory
from yarl import URL

from eventspan.errors import EventspanError, NotConnected
from eventspan_connectors.amqp import options
from eventspan_connectors.amqp.config import Connection
from eventspan_connectors.amqp.errors import closed, translate
from eventspan_connectors.amqp.frames import HEARTBEAT, FrameError, Inbox, Splitter

log = logging.getLogger(__name__)
# It logs, with a traceback, what it also raises; the state of the side says it once.
logging.getLogger("aiormq").setLevel(logging.CRITICAL)
T = TypeVar("T")
_PATIENCE = 2.0
"""Seconds the broker has to answer a good-bye."""


class _Protocol(asyncio.StreamReaderProtocol):
    """Gives the library what the splitter leaves of the data."""

    def __init__(self, reader: asyncio.StreamReader, link: "Link") -> None:
        super().__init__(reader, loop=asyncio.get_running_loop())
        self._link = link
        self._beat = time.monotonic()

    def data_received(self, data: bytes) -> None:
        try:
            passed = self._link.splitter.feed(data)
        except (FrameError, IndexError, struct.error) as error:
            self._link.broken(NotConnected(f"{self._link.peer}: {error}"))
            return
        if not passed and time.monotonic() - self._beat > 1:
            # The library measures silence by the frames it sees itself.
            self._beat = time.monotonic()
            passed = HEARTBEAT
        if passed:
            super().data_received(passed)

    def connection_lost(self, exc: Exception | None) -> None:
        reason = f": {exc}" if exc else ""
        self._link.broken(NotConnected(f"the connection to {self._link.peer} is gone{reason}"))
        super().connection_lost(exc)


class _Transports(TransportFactory):
    def __init__(self, link: "Link", context: ssl.SSLContext | None) -> None:
        self._link = link
        self._context = context

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2**18, loop=loop)
        transport, protocol = await loop.create_connection(
            lambda: _Protocol(reader, self._link), str(url.host), url.port or 0, ssl=self._context
        )
        self._link.writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return reader, self._link.writer


class _Connection(aio_pika.Connection):
    # The list of what is handed down to aiormq; robust connections extend it the same way.
    PARAMETERS = (
        *aio_pika.Connection.PARAMETERS,
        ConnectionParameter(name="transport_factory", parser=lambda given: given, is_kwarg=True),
    )


class Link:
    """A connection, from ``open`` until the first failure or ``close``."""

    def __init__(self, settings: Connection, name: str) -> None:
        self.peer = settings.peer
        self.splitter = Splitter(self)
        self.writer: asyncio.StreamWriter | None = None
        self.frame_max = 0
        """Negotiated size of a frame; 0 for no limit."""
        self.failure: EventspanError | None = None
        """Why it no longer works; None while it does."""
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        self.on_failure: Callable[[EventspanError], None] = lambda error: None
        self._settings = settings
        self._name = name
        self._connection: aio_pika.Connection | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, log in and tune; raises ``NotConnected`` or ``Halted``."""
        settings = self._settings
        url = aio_pika.connection.make_url(
            **settings.parameters(), **options.query(settings.options, self._name)
        )
        connection = _Connection(
            url,
            transport_factory=_Transports(self, settings.context()),
            client_properties=options.shown(settings.options),
        )
        self._connection = connection
        await self.call(connection.connect())
        transport = connection.transport
        if transport is None or self.failure is not None:
            raise self.failure or NotConnected(f"{self.peer}: not connected")
        self.frame_max = transport.connection.connection_tune.frame_max or 0
        self.splitter.limit = self.frame_max or 2**31

    async def channel(self, *, confirms: bool = False) -> AbstractChannel:
        """Open a channel and return aiormq's side of it."""
        if self._connection is None or self.failure is not None:
            raise self.failure or NotConnected(f"{self.peer}: not connected")
        opened = self._connection.channel(publisher_confirms=confirms)
        await self.call(opened.initialize())
        return await opened.get_underlay_channel()

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something the library does; raises ``NotConnected`` or ``Halted``.

        The library leaves tasks behind when it is cancelled, so it never is: what nobody
        waits for any more ends by itself, or with the connection.
        """
        task = asyncio.create_task(work)
        self._calls.add(task)
        task.add_done_callback(self._done)
        done, _ = await asyncio.wait((task,), timeout=self._settings.connect_timeout)
        if not done:
            self._abort()
            self.broken(NotConnected(f"{self.peer} did not answer in time"))
            raise self.failure or NotConnected(f"{self.peer} did not answer in time")
        try:
            return task.result()
        except (Exception, asyncio.CancelledError) as error:
            raise self.failure or translate(error, self._settings) or error from error

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()

    def _abort(self) -> None:
        """End what is under way, without a word to the broker."""
        if self.writer is not None:
            self.writer.transport.abort()
        else:
            for task in self._calls:
                task.cancel()

    def attach(self, channel: int, inbox: Inbox) -> None:
        """Take messages and confirms of a channel from now on."""
        self.splitter.inboxes[channel] = inbox

    def write(self, data: bytes) -> None:
        """Send whole frames, without waiting."""
        if self.writer is None or self.failure is not None:
            raise self.failure or NotConnected(f"{self.peer}: not connected")
        self.writer.write(data)

    async def drain(self) -> None:
        """Wait until the socket has room; raises ``NotConnected``."""
        if self.writer is None:
            return
        try:
            await self.writer.drain()
        except OSError as error:
            raise self.failure or translate(error, self._settings) or error from error

    def hold(self) -> None:
        """Leave what arrives in the socket until ``release``."""
        if self.writer is not None and not self.writer.transport.is_closing():
            self._readable(self.writer).pause_reading()

    def release(self) -> None:
        """Take in what arrives again."""
        if self.writer is not None and not self.writer.transport.is_closing():
            self._readable(self.writer).resume_reading()

    @staticmethod
    def _readable(writer: asyncio.StreamWriter) -> Any:
        return writer.transport

    def broken(self, error: EventspanError) -> None:
        """Note the first failure, and tell whoever waits."""
        if self.failure is not None:
            return
        self.failure = error
        self.unblocked.set()
        if self.writer is not None:
            self.writer.transport.abort()
        self.on_failure(error)

    def refused(self, code: int, text: str) -> None:
        if self.failure is None:
            self.failure = closed(code, text, self._settings)
            self.unblocked.set()
            self.on_failure(self.failure)

    def blocked(self, reason: str | None) -> None:
        if reason is None:
            log.info("%s takes messages again", self.peer)
            self.unblocked.set()
        else:
            log.warning("%s takes no messages: %s", self.peer, reason)
            self.unblocked.clear()

    async def close(self) -> None:
        """Say good-bye if there is still somebody to say it to. Safe twice, and when cancelled."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._calls or self.failure is not None:
            self._abort()
        self.failure = self.failure or NotConnected("closed")
        self.splitter.inboxes.clear()
        self.unblocked.set()
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=_PATIENCE)
        if self._connection is not None:
            await self._part(asyncio.create_task(self._connection.close()))
        self._abort()

    async def _part(self, leaving: asyncio.Task[None]) -> None:
        done, _ = await asyncio.wait((leaving,), timeout=_PATIENCE)
        if not done:
            self._abort()
            await asyncio.wait((leaving,), timeout=_PATIENCE)
        if leaving.done() and not leaving.cancelled() and leaving.exception() is not None:
            log.debug("leaving %s: %s", self.peer, type(leaving.exception()).__name__)

"""An exchange as a sink: batches published as one write, durable when confirmed."""

import asyncio
import re
from collections.abc import Awaitable, Sequence

from eventspan.batch import Span
from eventspan.context import Context
from eventspan.endpoint import Finding
from eventspan.errors import EventspanError, NotConnected, PartialWrite, Rejected
from eventspan.event import Event
from eventspan.failpoints import failpoint
from eventspan.settings import is_template
from eventspan_connectors.amqp import checks
from eventspan_connectors.amqp.codec import Unencodable
from eventspan_connectors.amqp.config import AmqpSink
from eventspan_connectors.amqp.errors import closed
from eventspan_connectors.amqp.link import Link
from eventspan_connectors.amqp.messages import Writer
from eventspan_connectors.amqp.publisher import Publisher, address
from eventspan_connectors.amqp.returns import Doubtful, Publication

_TOO_LARGE = re.compile(r"larger than configured max size (\d+)").search


class Sink:
    """Publishes events and waits for the broker's confirms."""

    def __init__(self, settings: AmqpSink, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._link: Link | None = None
        self._publisher: Publisher | None = None
        self._failure: EventspanError | None = None
        self._writer = Writer(
            settings.envelope, prefix=settings.prefix, persistent=settings.persistent, user=settings.username
        )
        self._addresses: dict[tuple[str, ...], bytes] = {}
        self._fixed: tuple[str, ...] = (settings.exchange, settings.routing_key)
        self._largest = settings.max_message
        self._opened = False
        self._alone = asyncio.Lock()
        """Held while messages are sent."""

    async def connect(self) -> None:
        """Open the connection and a channel with confirms. Raises ``NotConnected`` or ``Halted``."""
        if self._publisher is not None and self._failure is None:
            return
        await self.close()
        if self._opened:
            failpoint("reconnect.start")
        link = self._link = Link(self._settings, f"eventspan {self._context.bridge} {self._context.side}")
        self._failure = None
        link.on_failure = self._lost
        try:
            await link.open()
            self._publisher = await self._open_channel(link)
        except EventspanError as error:
            raise (self._failure or error) from error
        if self._failure is not None:
            raise self._failure
        if self._opened:
            failpoint("reconnect.after")
        self._opened = True

    async def _open_channel(self, link: Link) -> Publisher:
        await self._look(link)
        channel = await link.channel(confirms=True)
        publisher = Publisher(channel.number, link.frame_max, link.write, self._closed)
        publisher.mandatory = self._settings.mandatory
        link.attach(channel.number, publisher)
        return publisher

    async def _look(self, link: Link) -> None:
        """See that the exchange is there, or the queue where it is to be declared."""
        settings = self._settings
        if (not settings.exchange or is_template(settings.exchange)) and settings.declare is None:
            return
        channel = await link.channel()
        declare = settings.declare
        if declare is not None:
            name, table = settings.routing_key, declare.table()
            await link.call(channel.queue_declare(name, durable=declare.durable, arguments=table))
        else:
            await link.call(channel.exchange_declare(settings.exchange, passive=True))
        await link.call(channel.close())

    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> Awaitable[None] | None:
        """Publish events; the awaitable ends when all are confirmed."""
        messages, failures = self._encode(events)
        failpoint("sink.before_write")
        places = [n for n in range(len(events)) if n not in failures] if failures else None
        if not messages:
            if failures:
                raise PartialWrite(failures)
            return None
        async with self._alone:
            publisher, link = await self._ready(self._settings.window)
            confirmed = publisher.publish(messages, places)
        await link.drain()
        return self._durable(confirmed, failures)

    async def _ready(self, window: int) -> tuple[Publisher, Link]:
        """Wait while the broker takes nothing, or ``window`` messages are on their way."""
        publisher, link = self._publisher, self._link
        if publisher is None or link is None or self._failure is not None:
            raise self._failure or NotConnected("not connected")
        await publisher.room(window)
        await link.unblocked.wait()
        if self._failure is not None:
            raise self._failure
        return publisher, link

    async def _durable(self, confirmed: asyncio.Future[None], failures: dict[int, Exception]) -> None:
        try:
            await confirmed
        except PartialWrite as partial:
            failures = {**partial.failures, **failures}
            doubtful = {at: error for at, error in failures.items() if isinstance(error, Doubtful)}
            failures = {at: error for at, error in failures.items() if at not in doubtful}
            if doubtful:
                failures |= await self._once_more(doubtful)
        failpoint("sink.after_write")
        if failures:
            raise PartialWrite(failures)

    async def _once_more(self, doubtful: dict[int, Doubtful]) -> dict[int, Exception]:
        """Send messages one by one while nothing else is under way: then a return has one meaning."""
        failures: dict[int, Exception] = {}
        async with self._alone:
            publisher, _ = await self._ready(window=1)
            for at in sorted(doubtful):
                try:
                    await publisher.publish([doubtful[at].message], None)
                except PartialWrite as partial:
                    failures[at] = partial.failures[0]
        return failures

    def _encode(self, events: Sequence[Event]) -> tuple[list[Publication], dict[int, Exception]]:
        messages: list[Publication] = []
        failures: dict[int, Exception] = {}
        append, encode, addresses, fixed = messages.append, self._writer.encode, self._addresses, self._fixed
        room, largest = self._room, self._largest
        for index, event in enumerate(events):
            try:
                header, body = encode(event)
                where = event.destination or fixed
                target = addresses.get(where) or self._address(where)
            except (Rejected, Unencodable, ValueError) as error:
                failures[index] = error if isinstance(error, Rejected) else Rejected(str(error))
                continue
            if len(body) > largest or len(header) > room:
                failures[index] = self._too_large(len(body), len(header))
            else:
                append((target, header, body))
        return messages, failures

    @property
    def _room(self) -> int:
        return self._publisher.header_room if self._publisher is not None else 2**17 - 20

    def _too_large(self, body: int, header: int) -> Rejected:
        if body > self._largest:
            return Rejected(f"{body} bytes are beyond the {self._largest} a message may have")
        return Rejected(f"{header} bytes of headers are beyond the {self._room} a frame may have")

    def _address(self, where: tuple[str, ...]) -> bytes:
        encoded = address(*where)
        if len(self._addresses) < 10_000:
            self._addresses[where] = encoded
        return encoded

    async def check(self) -> list[Finding]:
        """Look at network, log-in and exchange."""
        settings = self._settings
        subject = f"exchange {settings.exchange}" if settings.exchange else f"queue {settings.routing_key}"
        return await checks.run(settings, subject, self._find)

    async def _find(self, link: Link) -> None:
        settings = self._settings
        if is_template(settings.exchange) or settings.declare is not None:
            return
        channel = await link.channel()
        if settings.exchange:
            await link.call(channel.exchange_declare(settings.exchange, passive=True))
        elif not is_template(settings.routing_key):
            await link.call(channel.queue_declare(settings.routing_key, passive=True))

    async def close(self) -> None:
        """Give up what is not confirmed and leave."""
        self._lost(NotConnected("closed"))
        link = self._link
        if link is not None:
            link.on_failure = _nobody
            await link.close()
            self._link = None
        self._publisher = None

    def _closed(self, code: int, text: str) -> None:
        limit = _TOO_LARGE(text) if code == 406 else None
        if limit is not None:
            # The same message would close the next channel too; now it is refused here.
            self._largest = min(self._largest, int(limit[1]))
        self._lost(closed(code, text, self._settings))

    def _lost(self, error: EventspanError) -> None:
        if self._failure is None:
            self._failure = error
        if self._publisher is not None:
            self._publisher.fail(self._failure)


def _nobody(error: EventspanError) -> None:
    """Take a failure nobody waits for any more."""

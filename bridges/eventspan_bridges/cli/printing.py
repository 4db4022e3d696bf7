"""Events to standard output, as many as were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eventspan import Context, Event, Halted, NotConnected, PartialWrite, Sink, Span, registry


class Printer:
    """What the sinks of one command share: the order of lines, and how many are left."""

    def __init__(self, count: int | None) -> None:
        self.left = count
        self.lock = asyncio.Lock()
        self.done = asyncio.Event()
        """Set when nothing more is to be printed."""
        self.unread = False
        """Whether standard output was closed by its reader."""

    def sink(self, context: Context, *, record: bool) -> Sink:
        """A sink that prints one event a line, with ``record`` its key and headers too."""
        spec = registry.load("file").sink
        assert spec is not None
        return _Printing(spec.build(spec.settings(path="-", record=record), context), self)


class _Printing:
    def __init__(self, inner: Sink, printer: Printer) -> None:
        self._inner = inner
        self._printer = printer

    async def connect(self) -> None:
        await self._inner.connect()

    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        printer = self._printer
        async with printer.lock:
            taken = events if printer.left is None else events[: printer.left]
            if taken:
                await self._print(taken, spans)
            if printer.left is not None:
                printer.left -= len(taken)
                if not printer.left:
                    printer.done.set()
        if len(taken) < len(events):
            enough = NotConnected("enough is printed")
            raise PartialWrite(dict.fromkeys(range(len(taken), len(events)), enough))

    async def _print(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        try:
            await self._inner.write(events, spans)
        except Halted as error:
            if isinstance(error.__cause__, BrokenPipeError):
                self._printer.unread = True
                self._printer.done.set()
            raise

    async def close(self) -> None:
        await self._inner.close()

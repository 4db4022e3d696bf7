"""Appends one event per line to a file, or to standard output."""

import asyncio
from collections.abc import Sequence

from eventspan import Context, Event, NotConnected, PartialWrite, Rejected, Span
from eventspan.endpoint import Finding
from eventspan.failpoints import failpoint
from eventspan.own_thread import OwnThread
from eventspan_connectors.file.appender import Appender
from eventspan_connectors.file.config import STANDARD, SinkSettings
from eventspan_connectors.file.findings import written
from eventspan_connectors.file.layout import to_line
from eventspan_connectors.file.standard import Output


class FileSink:
    """A write to a file is durable when it returns; one to standard output is handed on."""

    def __init__(self, settings: SinkSettings, context: Context) -> None:
        self._settings = settings
        self._thread = OwnThread("file-sink")
        self._opening: asyncio.Future[Appender | Output] | None = None
        self._file: Appender | Output | None = None

    async def connect(self) -> None:
        if self._file is None:
            await self.close()
            self._opening = self._thread.start(self._open)
            self._file = await asyncio.shield(self._opening)

    def _open(self) -> Appender | Output:
        path = self._settings.path
        return Output() if path == STANDARD else Appender(path)

    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        if self._file is None:
            raise NotConnected(f"{self._settings.path} is not connected")
        try:
            refused = await self._thread.run(self._write, self._file, events)
        except Exception:
            # What of it has reached the disk is unknown; the next connect looks.
            await self.close()
            raise
        if refused:
            raise refused[0] if len(events) == 1 else PartialWrite(refused)

    def _write(self, file: Appender | Output, events: Sequence[Event]) -> dict[int, Exception]:
        lines, refused = list[bytes](), dict[int, Exception]()
        for n, event in enumerate(events):
            try:
                lines.append(to_line(event, as_record=self._settings.record))
            except Rejected as error:
                refused[n] = error
        failpoint("sink.before_write")
        if lines:
            file.write(b"".join(lines))
        failpoint("sink.after_write")
        return refused

    async def check(self) -> Sequence[Finding]:
        return await self._thread.run(written, self._settings)

    async def close(self) -> None:
        if isinstance(self._file, Output):
            self._file.close()
        if self._opening is not None:
            # A cancelled connect leaves its thread at work; what it opens is ours to close.
            await asyncio.wait([self._opening])
            if self._opening.exception() is None:
                await self._thread.run(self._opening.result().close)
        self._opening = self._file = None
        self._thread.stop()

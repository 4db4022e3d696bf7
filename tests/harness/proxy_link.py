"""One proxied connection: two pumps under the faults that hold at each moment."""

import asyncio
import socket
import struct
from collections import Counter
from dataclasses import dataclass

from harness.proxy_faults import Direction, Fault, Faults, Weather

_CHUNK = 65_536
# A linger time of zero makes closing send RST instead of FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Side:
    """The streams of one end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """End it by RST, with whatever was on its way."""
        raw: socket.socket | None = self.writer.get_extra_info("socket")
        if raw is not None and not self.writer.transport.is_closing():
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.writer.transport.abort()


class Link:
    """A client's connection and the one made to the server for it."""

    def __init__(self, client: Side, server: Side, weather: Weather, struck: Counter[Fault]) -> None:
        self._client = client
        self._server = server
        self._weather = weather
        self._struck = struck

    async def run(self) -> None:
        """Forward both ways; returns when both have ended, and a way that breaks ends both."""
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(self._client.reader, self._server.writer, Direction.TO_SERVER))
                pumps.create_task(self._pump(self._server.reader, self._client.writer, Direction.TO_CLIENT))
        except* OSError:
            self.reset()
        finally:
            self._client.writer.close()
            self._server.writer.close()

    def reset(self) -> None:
        """RST to both ends."""
        self._client.reset()
        self._server.reset()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
        counting, sent = self._weather.ways[way], 0
        while chunk := await reader.read(_CHUNK):
            faults = await self._pass(way)
            counting, sent = (faults, sent) if faults is counting else (faults, 0)
            allowed = chunk if faults.cut_after is None else chunk[: faults.cut_after - sent]
            sent += len(allowed)
            writer.write(allowed)
            await writer.drain()
            if len(allowed) < len(chunk):
                await self._cut(writer)
        writer.write_eof()

    async def _pass(self, way: Direction) -> Faults:
        """Wait until a chunk may go on, and give the faults that hold then."""
        faults = self._weather.ways[way]
        while faults.black_hole:
            self._struck[Fault.BLACK_HOLE] += 1
            await faults.replaced.wait()
            faults = self._weather.ways[way]
        if faults.latency:
            self._struck[Fault.LATENCY] += 1
            await asyncio.sleep(faults.latency)
        return faults

    async def _cut(self, writer: asyncio.StreamWriter) -> None:
        """Break the connection; the bytes that were allowed reach the other end first."""
        self._struck[Fault.CUT] += 1
        writer.close()
        await writer.wait_closed()
        raise ConnectionResetError("cut")

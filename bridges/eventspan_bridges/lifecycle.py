"""The life of one bridge: start, read, drain, and end in an order that loses nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Iterable

from eventspan import NotConnected
from eventspan.failpoints import failpoint
from eventspan_bridges.bridge import Bridge
from eventspan_bridges.status import State

CLOSE_SECS = 15.0
"""How long one end may take to close."""

STUCK_SECS = 1.0
"""How long the drain of a bridge takes that has a halted end: for what the other ends are at."""

log = logging.getLogger("eventspan")


async def run(bridge: Bridge, *, bounded: bool = False) -> None:
    """Run a bridge until it is drained, told to stop, or fails.

    What it was can be read off it afterwards: ``failure``, and ``counters.pending``
    for records that were not settled in time. Cancelling it leaves at once.
    """
    writers = [asyncio.create_task(outlet.run()) for outlet in bridge.every_outlet]
    reader = asyncio.create_task(bridge.read(bounded=bounded))
    watch = asyncio.create_task(_watch_age(bridge))
    try:
        await _until_over(bridge, reader, writers)
        await _drain(bridge, reader)
    finally:
        await _cancel([reader, watch, *writers])
    await _close(bridge)
    _raise_first([reader, *writers])


async def _watch_age(bridge: Bridge) -> None:
    """Say once when the oldest unsettled event gets too old, and once when it no longer is."""
    limit = bridge.settings.delivery.max_age
    old = False
    while limit is not None:
        await asyncio.sleep(max(limit / 4, 0.05))
        age = bridge.window.age_secs()
        if (age > limit) is not old:
            old = not old
            fields = {
                "bridge": bridge.settings.name,
                "age_secs": round(age),
                "pending": bridge.counters.pending,
            }
            log.log(
                logging.WARNING if old else logging.INFO,
                "stalled" if old else "moving",
                extra={"fields": fields},
            )


async def _until_over(bridge: Bridge, reader: asyncio.Task[None], writers: list[asyncio.Task[None]]) -> None:
    """Return when nothing more is read and, unless told to stop, all is settled."""
    stopping = asyncio.create_task(bridge.stop.wait())
    try:
        await asyncio.wait([reader, stopping, *writers], return_when=asyncio.FIRST_COMPLETED)
        if reader.done() and not reader.exception() and not stopping.done():
            # The source has ended: what it gave is delivered however long that takes.
            settled = asyncio.create_task(bridge.settled())
            await asyncio.wait([settled, stopping, *writers], return_when=asyncio.FIRST_COMPLETED)
            await _cancel([settled])
    finally:
        await _cancel([stopping])


async def _drain(bridge: Bridge, reader: asyncio.Task[None]) -> None:
    bridge.status.enter(State.DRAINING)
    failpoint("shutdown.step1")
    await _cancel([reader])
    failpoint("shutdown.step2")
    timeout = bridge.settings.delivery.drain_timeout
    deadline = asyncio.get_running_loop().time() + (min(timeout, STUCK_SECS) if bridge.stuck else timeout)
    await _within(deadline, bridge.received())
    for outlet in bridge.every_outlet:
        await _within(deadline, outlet.flush())
    failpoint("shutdown.step3")
    await _within(deadline, bridge.settled())
    failpoint("shutdown.step4")


async def _within(deadline: float, work: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await work
    except TimeoutError:
        return


async def _close(bridge: Bridge) -> None:
    """Give back what is left, make positions durable, leave, and close the sinks last."""
    failpoint("shutdown.step5")
    if bridge.redelivers:
        for flight in list(bridge.flights.values()):
            flight.give_back(NotConnected("the bridge stopped before this was delivered"))
    failpoint("shutdown.step6")
    await _close_end(bridge, "source", bridge.source.endpoint.close())
    failpoint("shutdown.step7")
    for outlet in bridge.every_outlet:
        await _close_end(bridge, outlet.link.status.side, outlet.link.endpoint.close())
    failpoint("shutdown.step8")


async def _close_end(bridge: Bridge, side: str, closing: Awaitable[None]) -> None:
    # Closing one end must not keep the others from it; what it held stays unsettled upstream.
    try:
        async with asyncio.timeout(CLOSE_SECS):
            await closing
    except Exception as error:  # noqa: BLE001 -- said, and the next end is closed
        fields = {"bridge": bridge.settings.name, "side": side, "error": f"{type(error).__name__}: {error}"}
        log.warning("close failed", extra={"fields": fields})


async def _cancel(tasks: Iterable[asyncio.Task[None]] | Iterable[asyncio.Task[bool]]) -> None:
    found = list(tasks)
    for task in found:
        task.cancel()
    if found:
        await asyncio.wait(found)


def _raise_first(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error

"""Looks through a source without consuming anything."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, cast

from eventspan import Context, Event, EventspanError, Span
from eventspan.endpoint import Browsable
from eventspan_bridges.cli.printing import Printer
from eventspan_bridges.settings import End

_BATCH = 500


async def browse(end: End, count: int | None, *, record: bool) -> int:
    """Print what is there now, oldest first, ``count`` events at most; returns the exit code."""
    spec = end.connector.source
    assert spec is not None
    context = Context(bridge="recv")
    source = spec.build(end.settings, context)
    if not isinstance(source, Browsable):
        raise EventspanError(
            f"connector {end.connector.name!r} cannot be looked through without consuming",
            help="without --no-ack events are acknowledged once they are printed",
        )
    sink = Printer(None).sink(context, record=record)
    try:
        await source.connect()
        await sink.connect()
        # An iterator left half-way has to be closed while its source still is open.
        async with aclosing(cast(Any, source.browse())) as events:
            await _print(events, sink, count)
    finally:
        await source.close()
        await sink.close()
    return 0


async def _print(events: Any, sink: Any, count: int | None) -> None:
    printed, waiting = 0, list[Event]()
    async for event in events:
        waiting.append(event)
        printed += 1
        if len(waiting) >= _BATCH or printed == count:
            await sink.write(waiting, list[Span]())
            waiting = []
        if printed == count:
            break
    if waiting:
        await sink.write(waiting, list[Span]())

"""``eventspan recv``: the events of any connector on standard output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from eventspan_bridges.settings import End

NAME = "recv"


@click.command(NAME)
@click.argument("source", nargs=-1, required=True, metavar="SOURCE [KEY=VALUE]...")
@click.option("-n", "--count", type=click.IntRange(1), metavar="N", help="Stop after N events.")
@click.option("-e", "--exit", "ends", is_flag=True, help="Stop at the end of what is there now.")
@click.option("--no-ack", "browse", is_flag=True, help="Look without consuming anything; stops at the end.")
@click.option(
    "--timeout",
    type=float,
    metavar="SECS",
    default=30.0,
    help="Give up when it cannot be reached for so long.",
)
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["json", "record"]),
    default="json",
    help="Events, or records with key and headers.",
)
def command(
    source: Sequence[str], count: int | None, ends: bool, browse: bool, timeout: float, form: str
) -> int:
    """Print events, one CloudEvent in JSON a line, and wait for more.

    SOURCE is an address (kafka://host:9092/topic?group=g, amqp://host/vhost?queue=q,
    file:path), the name of a connector with its settings, a file with the settings of one
    side (@side.yaml), or the source of a bridge file (@bridges.yaml#orders).

    An event is acknowledged once its line is written. What is no event is printed as the
    dead letter it would have become.
    """
    from eventspan_bridges.cli import address

    end = address.end(source, "source")
    if count is not None and "batch" in type(end.settings).model_fields:
        # A position stands behind a whole batch: only so are exactly N events consumed.
        end = replace(end, settings=end.settings.model_copy(update={"batch": 1}))
    if browse:
        return _browse(end, count, form)
    return _receive(end, count, ends, timeout, form)


def _receive(end: End, count: int | None, ends: bool, timeout: float, form: str) -> int:
    from eventspan_bridges.cli.printing import Printer
    from eventspan_bridges.cli.pump import pump, sink_of
    from eventspan_bridges.settings import BridgeSettings, Delivery

    printer = Printer(count)
    record = form == "record"
    settings = BridgeSettings(
        name=NAME,
        source=end,
        sinks={"stdout": sink_of(lambda c: printer.sink(c, record=record), "sinks.stdout", keeps_order=True)},
        dead_letter=sink_of(lambda c: printer.sink(c, record=record), "dead_letter", keeps_order=True),
        # What was not printed goes back; a line on its way has a moment to be written.
        delivery=Delivery(drain_timeout="0s" if count is not None else "1s"),
    )
    done = pump(settings, bounded=ends, timeout=timeout, until=printer.done)
    if printer.unread:
        raise BrokenPipeError
    if printer.done.is_set():
        return 0
    if done.error is not None:
        raise done.error
    return done.code


def _browse(end: End, count: int | None, form: str) -> int:
    import asyncio

    from eventspan_bridges.cli.browsing import browse

    return asyncio.run(browse(end, count, record=form == "record"))

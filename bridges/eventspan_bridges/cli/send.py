"""``eventspan send``: events from standard input to any connector."""

from __future__ import annotations

from collections.abc import Sequence

import click

from eventspan_bridges.cli import output
from eventspan_bridges.cli.boundary import EXIT_FAILED, EXIT_OK

NAME = "send"


@click.command(NAME)
@click.argument("target", nargs=-1, required=True, metavar="TARGET [KEY=VALUE]...")
@click.option(
    "--timeout",
    type=float,
    default=30.0,
    metavar="SECS",
    help="Give up when it cannot be reached for so long.",
)
@click.option(
    "--key", metavar="ATTRIBUTE", help="Make this attribute the key that events keep their order by."
)
def command(target: Sequence[str], timeout: float, key: str | None) -> int:
    """Write events from standard input, one CloudEvent in JSON a line.

    TARGET is an address (kafka://host:9092/topic, amqp://host/vhost?exchange=e, file:path),
    the name of a connector with its settings (kafka servers=[host:9092] topic=t), a file
    with the settings of one side (@side.yaml), or a side of a bridge file
    (@bridges.yaml#orders/all). Lines written by recv -o record bring their key and headers.

    Returns when every event is durable at the far side. A line that is no event, or that
    is refused, is told by its place; the others go through, and the exit code is 1.
    """
    from dataclasses import replace

    from eventspan import registry
    from eventspan_bridges.cli import address
    from eventspan_bridges.cli.pump import pump, sink_of
    from eventspan_bridges.cli.refusals import Refusals
    from eventspan_bridges.settings import BridgeSettings, Delivery, End, SinkEnd

    chosen = address.end(target, "sink")
    sink = chosen if isinstance(chosen, SinkEnd) else SinkEnd(chosen.connector, chosen.settings, "sinks.sink")
    if key is not None:
        from eventspan_bridges.expressions import compile_expression

        sink = replace(sink, order_by=compile_expression(f"event.{key}"))
    lines = registry.load("file")
    assert lines.source is not None
    refusals = Refusals()
    settings = BridgeSettings(
        name=NAME,
        source=End(lines, lines.source.settings(path=("-",)), "source"),
        sinks={"sink": sink},
        # Only an interrupted or hopeless call is cut short; the end of the input waits for every event.
        delivery=Delivery(drain_timeout="2s"),
        dead_letter=sink_of(lambda _: refusals, "dead_letter", keeps_order=True, carries_records=True),
    )
    done = pump(settings, timeout=timeout)
    if done.error is not None:
        raise done.error
    output.words(f"{done.worker.bridges[NAME].counters.delivered} sent, {refusals.count} refused")
    return done.code or (EXIT_FAILED if refusals.count else EXIT_OK)

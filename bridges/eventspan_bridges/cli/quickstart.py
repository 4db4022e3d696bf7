"""``eventspan quickstart``: a bridge that moves made-up events, to be watched."""

from __future__ import annotations

import asyncio
import os

import click

from eventspan_bridges.cli import output

BRIDGE = b"""\
version: 1
bridges:
  quickstart:
    source: {type: memory, name: shop, generate: {rate: 5/s}}
    steps:
      - drop_fields: [data.customer]
      # With expressions (pip install 'eventspan[cel]'):
      # - filter: event.type != "order.cancelled" && event.data.amount > 10.0
      # - set: {subject: '"order/" + event.data.order_id'}
    sink: {type: file, path: "-"}
    dead_letter: stop
"""
NEXT = """\
That was a bridge from a made-up shop through a step that drops a field, to standard output. Next:
  eventspan quickstart --show > hello.yaml   the file of this bridge, to be changed
  eventspan lint hello.yaml                  says what is wrong in it, with the place
  eventspan run hello.yaml                   runs it until Ctrl-C
  eventspan plugins ls                       what else it could read and write"""


@click.command("quickstart")
@click.option("--for", "time", default="10s", metavar="TIME", help="How long to watch, such as 30s or 5m.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="Stop after the N-th made-up event.")
@click.option("--show", is_flag=True, help="Print the bridge file and run nothing.")
def command(time: str, count: int | None, show: bool) -> int:
    """Watch a bridge move events. Needs no broker and writes nothing to the disk.

    Events are printed as CloudEvents in JSON, one a line.
    """
    if show:
        output.data(BRIDGE.decode().rstrip())
        return 0
    from eventspan.errors import ConfigError
    from eventspan.settings import seconds

    try:
        secs = seconds(time)
    except ValueError as error:
        raise ConfigError(f"--for: {error}") from None
    text = BRIDGE.replace(b"rate: 5/s", b"rate: 5/s, count: %d" % count) if count else BRIDGE
    code = asyncio.run(_run(text, secs))
    output.words(NEXT)
    return code


async def _run(text: bytes, secs: float) -> int:
    from eventspan.state import MemoryStore
    from eventspan_bridges import logs
    from eventspan_bridges.cli import summary
    from eventspan_bridges.settings.check import check_text
    from eventspan_bridges.worker import Worker

    logs.configure("text", "WARNING")
    settings = check_text(text, "quickstart", {}).accepted()
    worker = Worker(settings, MemoryStore())
    worker.handle_signals(lambda number: os._exit(128 + number))
    asyncio.get_running_loop().call_later(secs, worker.drain)
    code = await worker.run()
    output.words(summary.line(worker, "quickstart"))
    return code

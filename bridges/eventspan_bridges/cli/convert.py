"""``eventspan convert``: what a binding reads, as another one writes it."""

from __future__ import annotations

import sys

import click

from eventspan_bridges.cli import output


@click.command("convert")
@click.option("--from", "reads", required=True, metavar="FORM", help="What standard input holds.")
@click.option("--to", "writes", required=True, metavar="FORM", help="What to print.")
def command(reads: str, writes: str) -> int:
    """Convert events between the forms brokers give them, one a line.

    FORM is json, a CloudEvent in JSON, or a connector and a content mode:
    kafka-binary, kafka-structured, amqp-binary, amqp-structured. Native records are
    objects with the members key, headers (pairs of name and value), properties, and
    body; key_base64 and body_base64 hold what is no text.

    A line that cannot be read is told by its number; the others go through.
    """
    from eventspan.errors import Rejected
    from eventspan_bridges.cli.forms import form

    read, write = form(reads), form(writes)
    failed = False
    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        try:
            converted = write.encode(read.decode(line))
        except Rejected as error:
            output.words(f"error: line {number}: {error}")
            failed = True
            continue
        sys.stdout.buffer.write(converted + b"\n")
    sys.stdout.flush()
    return int(failed)

"""``eventspan run``: bridges in this process, or in several that share the work."""

from __future__ import annotations

from typing import Any

import click

from eventspan_bridges.cli import options


@click.command("run")
@options.files
@options.bridges
@click.option("--until", type=click.Choice(["drained"]), help="Stop once what is there now is delivered.")
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    metavar="N",
    help="Share the work between N processes.",
)
@options.state
@options.env_file
@click.option(
    "--log",
    "log_form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Form of the log, on standard error.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
    help="Least level that is logged.",
)
@click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "off"]),
    default="auto",
    help="How far finite work has got; auto: a bar on a terminal, else lines.",
)
@options.output("text", "json")
@click.option("--child", type=int, hidden=True, help="The number of this process under its supervisor.")
def command(processes: int, **given: Any) -> int:
    """Run the bridges of files and folders, or of standard input as -.

    SIGTERM or Ctrl-C ends them in order: nothing more is read, what is under way is
    delivered. A second one leaves at once. SIGHUP looks at whatever is halted now,
    with its file and its secrets read again.

    Exits with 0 when nothing is pending, with 3 when something is.
    """
    from eventspan_bridges.cli import running, supervisor

    request = running.Request(**given)
    if processes > 1:
        return supervisor.run(request, processes)
    return running.run(request)

"""The root of the command line: sub-commands are imported when they are called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import click

from eventspan_bridges.cli.catalogue import SUMMARIES, front_page

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Lazy(click.Group):
    """A group that knows its commands by name, and imports only the one that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUMMARIES:
            return None
        command = import_module(f"eventspan_bridges.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in SUMMARIES and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.NoSuchCommand(name, possibilities=SUMMARIES, ctx=ctx)
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        return front_page()

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # What the base class does would import every command for its summary.
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=text) for name, text in SUMMARIES.items() if name.startswith(incomplete)
        ]


app = Lazy(
    "eventspan",
    params=[click.Option(["--debug"], is_flag=True, expose_value=False)],
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "EVENTSPAN",
        "show_default": True,
        "max_content_width": 100,
    },
)

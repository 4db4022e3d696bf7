"""``eventspan completion``: what makes a shell complete our commands and options."""

import click
from click.shell_completion import get_completion_class

from eventspan_bridges.cli import output
from eventspan_bridges.cli.app import app


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(eventspan completion bash)"       in ~/.bashrc
    zsh:   eval "$(eventspan completion zsh)"        in ~/.zshrc
    fish:  eventspan completion fish > ~/.config/fish/completions/eventspan.fish
    """  # noqa: D301 -- the character is what click looks for
    found = get_completion_class(shell)
    assert found is not None
    output.data(found(app, {}, "eventspan", "_EVENTSPAN_COMPLETE").source())

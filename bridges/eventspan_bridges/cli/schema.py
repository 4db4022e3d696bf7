"""``eventspan schema``: the JSON Schema of the bridge file."""

import click

from eventspan_bridges.cli import output


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of the bridge file, built from the connectors that are installed.

    \b
    eventspan schema > eventspan.schema.json
    and as the first line of a bridge file, for editors that know it:
    # yaml-language-server: $schema=eventspan.schema.json
    """  # noqa: D301 -- the character is what click looks for
    from eventspan_bridges.settings.schema import schema

    output.as_json(schema())

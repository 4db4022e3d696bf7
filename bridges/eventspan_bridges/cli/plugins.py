"""``eventspan plugins``: the connectors that are installed, and what they can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eventspan_bridges.cli import options, output

if TYPE_CHECKING:
    from eventspan.connector import Connector

_WORDS = {"string": "text", "object": "mapping", "null": "nothing", "integer": "whole number"}


@click.group("plugins")
def command() -> None:
    """List the connectors that are installed, and their settings."""


@command.command("ls")
@options.output("text", "json")
def ls(form: str) -> None:
    """List every connector, those that cannot be used included."""
    from eventspan import registry

    found = [_entry(name) for name in registry.names()]
    if form == "json":
        output.as_json(found)
        return
    rows = [(e["name"], "/".join(e["sides"]) or "-", e["origin"], e["status"], _about(e)) for e in found]
    output.table(("NAME", "SIDES", "FROM", "STATUS", "ABOUT"), rows)


@command.command("show")
@click.argument("name")
@options.output("text", "json")
def show(name: str, form: str) -> None:
    """Show the settings of a connector, what it promises, and what it has no place for."""
    import msgspec

    from eventspan import registry

    connector = registry.load(name)
    sides = {side: _side(connector, side) for side in ("source", "sink") if getattr(connector, side)}
    about: dict[str, Any] = {
        "name": connector.name,
        "summary": connector.summary,
        "origin": registry.origin(name),
        **sides,
        "losses": msgspec.to_builtins(connector.losses),
    }
    if form == "json":
        output.as_json(about)
        return
    output.data(f"{connector.name}: {connector.summary} ({about['origin']})")
    for side, found in sides.items():
        _show_side(side, found)
    if connector.losses:
        output.data("")
        rows = [(f"  {loss.of}", loss.becomes, _word(loss.returns)) for loss in connector.losses]
        output.table(("  HAS NO PLACE FOR", "BECOMES", "AND COMES BACK"), rows)


def _entry(name: str) -> dict[str, Any]:
    """One line of the list. Whatever is wrong with a connector is what the line says."""
    from eventspan import registry
    from eventspan.errors import ConfigError

    entry: dict[str, Any] = {"name": name, "sides": [], "origin": "?", "status": "ok", "summary": ""}
    try:
        entry["origin"] = registry.origin(name)
        connector = registry.load(name)
    except ConfigError as error:
        absent = isinstance(error.__cause__, ImportError) and (error.help or "").startswith("pip install")
        return {
            **entry,
            "status": "not installed" if absent else "broken",
            "error": str(error),
            "help": error.help,
        }
    sides = [side for side in ("source", "sink") if getattr(connector, side) is not None]
    return {**entry, "sides": sides, "summary": connector.summary}


def _about(entry: dict[str, Any]) -> str:
    return str(entry.get("help") or entry.get("error") or entry["summary"])


def _side(connector: Connector, side: str) -> dict[str, Any]:
    import msgspec

    spec = getattr(connector, side)
    schema = spec.settings.model_json_schema()
    settings = [
        {
            "name": name,
            "type": _type(field, schema.get("$defs", {})),
            "required": name in schema.get("required", ()),
            "default": field.get("default"),
            "description": " ".join(field.get("description", "").split()),
        }
        for name, field in schema.get("properties", {}).items()
    ]
    return {"settings": settings, "promises": msgspec.to_builtins(spec.traits)}


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A JSON Schema in a word or two."""
    if "$ref" in field:
        return _type(definitions.get(field["$ref"].rpartition("/")[2], {}), definitions)
    if "enum" in field or "const" in field:
        return " | ".join(str(value) for value in field.get("enum", [field.get("const")]))
    for key in ("anyOf", "oneOf"):
        if key in field:
            return " or ".join(dict.fromkeys(_type(one, definitions) for one in field[key]))
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), definitions)}"
    if field.get("format") == "password":
        return "secret"
    if field.get("type") == "string" and "examples" in field:
        return f"text such as {field['examples'][0]}"
    kind = str(field.get("type", "anything"))
    return _WORDS.get(kind, kind)


def _show_side(side: str, found: dict[str, Any]) -> None:
    output.data(f"\n{side}")
    rows = [
        (
            f"  {one['name']}",
            one["type"],
            "required" if one["required"] else _default(one),
            one["description"],
        )
        for one in found["settings"]
    ]
    output.table(("  SETTING", "TYPE", "DEFAULT", "ABOUT"), rows)
    output.data("")
    output.table(
        ("  PROMISE", ""), [(f"  {name}", _word(value)) for name, value in found["promises"].items()]
    )


def _default(setting: dict[str, Any]) -> str:
    return "-" if setting["default"] is None else str(setting["default"])


def _word(value: Any) -> str:
    return {True: "yes", False: "no", None: "-"}.get(value, str(value))

"""The JSON Schema of the bridge file, built from the connectors that are installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema

from eventspan import registry
from eventspan.connector import Connector
from eventspan.errors import ConfigError
from eventspan.settings import Settings
from eventspan_bridges.settings import Delivery, Limits, Retry
from eventspan_bridges.settings.bridge_file import NAME
from eventspan_bridges.settings.sides import SinkOptions

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Schema = {"type": "string", "pattern": r"\$\{"}
_EXACT = ("pattern", "enum", "const", "format", "minLength", "maxLength")
"""What a text has to be once its references are resolved, and cannot be before."""


def schema() -> Schema:
    """A JSON Schema 2020-12. A connector that cannot be loaded is left out."""
    definitions: Schema = {}
    connectors = list(_usable())
    for connector in connectors:
        _define(connector, definitions)
    for name, model in (
        ("delivery", Delivery),
        ("retry", Retry),
        ("limits", Limits),
        ("options", SinkOptions),
    ):
        definitions[name] = _model(model, name, definitions)
    definitions["source"] = _side(connectors, "source")
    definitions["sink"] = _side(connectors, "sink")
    definitions["dead_letter"] = {"anyOf": [{"const": "stop"}, {"$ref": "#/$defs/sink"}]}
    definitions["condition"] = {"type": ["string", "object"], "description": "CEL, or {dialect: text}."}
    definitions["bridge"] = _bridge()
    return {"$schema": _DIALECT, "title": "eventspan bridge file", **_file(), "$defs": definitions}


def _usable() -> Iterator[Connector]:
    for name in registry.names():
        try:
            yield registry.load(name)
        except ConfigError:
            continue


def _define(connector: Connector, definitions: Schema) -> None:
    for role, spec in (("source", connector.source), ("sink", connector.sink)):
        if spec is None:
            continue
        name = f"{connector.name}.{role}"
        try:
            found = _model(spec.settings, name, definitions)
        except PydanticInvalidForJsonSchema:
            # Editors still know the type; what belongs into it they cannot tell.
            found = {"type": "object"}
        definitions[name] = _typed(connector, found, role)


def _typed(connector: Connector, found: Schema, role: str) -> Schema:
    own = {"type": {"const": connector.name, "description": connector.summary}}
    options = {key: {"$ref": f"#/$defs/options/properties/{key}"} for key in SinkOptions.model_fields}
    properties = {**own, **(options if role == "sink" else {}), **found.get("properties", {})}
    return {**found, "properties": properties, "required": ["type", *found.get("required", [])]}


def _model(model: type[Settings], name: str, definitions: Schema) -> Schema:
    found = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    for inner, definition in found.pop("$defs", {}).items():
        definitions[f"{name}.{inner}"] = _lenient(definition)
    lenient: Schema = _lenient(found)
    return lenient


def _lenient(found: Any) -> Any:
    """The same schema, with a reference wherever it asks for more than any text."""
    if isinstance(found, list):
        return [_lenient(item) for item in found]
    if not isinstance(found, dict):
        return found
    if found.get("type") in ("integer", "number", "boolean") or ("const" in found or "enum" in found):
        return _or_reference(found)
    if found.get("type") == "string" and any(key in found for key in _EXACT):
        return _or_reference(found)
    return {
        key: _members(value) if key == "properties" else _inner(key, value) for key, value in found.items()
    }


def _members(properties: Mapping[str, Any]) -> Schema:
    return {name: _lenient(value) for name, value in properties.items()}


def _inner(key: str, value: Any) -> Any:
    return (
        _lenient(value)
        if key in ("items", "prefixItems", "anyOf", "oneOf", "allOf", "additionalProperties")
        else value
    )


def _or_reference(found: Schema) -> Schema:
    kept: Schema = {key: found[key] for key in ("title", "description", "default") if key in found}
    return {**kept, "anyOf": [{key: value for key, value in found.items() if key not in kept}, _REFERENCE]}


def _side(connectors: list[Connector], role: str) -> Schema:
    names = [connector.name for connector in connectors if getattr(connector, role) is not None]
    used = {
        "type": "object",
        "properties": {"use": {"type": "string"}},
        "required": ["use"],
        "not": {"required": ["type"]},
    }
    return {"oneOf": [*({"$ref": f"#/$defs/{name}.{role}"} for name in names), used]}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _named(schema: Schema) -> Schema:
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "additionalProperties": schema,
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _file() -> Schema:
    parts = {key: _ref(key) for key in ("delivery", "retry", "limits", "dead_letter")}
    top = {
        "version": {"const": 1},
        "defaults": _object(parts, []),
        "connections": _named(
            {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}
        ),
        "bridges": {**_named(_ref("bridge")), "minProperties": 1},
    }
    return {**_object(top, ["version", "bridges"]), "patternProperties": {"^x-": True}}


def _bridge() -> Schema:
    from eventspan_bridges.steps import NAMES

    step = {"type": "object", "properties": dict.fromkeys(NAMES, True), "additionalProperties": False,
            "minProperties": 1, "maxProperties": 1}  # fmt: skip
    to = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    route = {
        "oneOf": [
            _object({"when": _ref("condition"), "to": to}, ["when", "to"]),
            _object({"otherwise": to}, ["otherwise"]),
        ]
    }
    test = _object(
        {"name": {"type": "string"}, "given": {"type": "array"}, "expect": {"type": "object"}},
        ["name", "given", "expect"],
    )
    properties = {
        "description": {"type": "string"}, "source": _ref("source"),
        "steps": {"type": "array", "items": step},
        "route": {"type": "array", "items": route}, "sink": _ref("sink"),
        "sinks": {**_named(_ref("sink")), "minProperties": 1},
        **{key: _ref(key) for key in ("delivery", "retry", "limits", "dead_letter")},
        "tests": {"type": "array", "items": test},
    }  # fmt: skip
    return {**_object(properties, ["source"]), "oneOf": [{"required": ["sink"]}, {"required": ["sinks"]}]}

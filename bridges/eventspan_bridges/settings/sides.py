"""One side of a bridge in the file: its connector, its settings, and what the runtime adds to a sink."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from eventspan import registry
from eventspan.connector import Connector, SinkSpec
from eventspan.errors import ConfigError, UnknownConnector
from eventspan.settings import Settings, is_template
from eventspan_bridges.settings import Buffer, End, Place, SinkEnd
from eventspan_bridges.settings.problems import Findings
from eventspan_bridges.settings.values import near, validated
from eventspan_bridges.settings.yaml_file import Node


class SinkOptions(Settings):
    """What every sink takes beside the settings of its connector."""

    optional: bool = False
    """The source does not wait for this sink; a bounded buffer overflows instead."""
    buffer: Buffer = Field(default_factory=Buffer)
    """What waits for an optional sink."""
    order_by: str | None = None
    """Expression whose value is the key that keeps its order."""
    allow: list[str] = Field(default_factory=list)
    """Globs that a computed destination may match."""


OPTIONS = tuple(SinkOptions.model_fields)


@dataclass
class Scope:
    """What the sides of one file share."""

    findings: Findings
    connections: Mapping[str, Node] = field(default_factory=dict)
    loaded: dict[str, Connector] = field(default_factory=dict)
    """Connectors found so far: looking one up reads the metadata of everything installed."""


def source(scope: Scope, node: Node, at: Place) -> End | None:
    """The reading side."""
    chosen = _chosen(scope, node, at, "source")
    if chosen is None:
        return None
    connector, rest = chosen
    assert connector.source is not None
    settings = validated(connector.source.settings, rest, at, scope.findings)
    return None if settings is None else End(connector, settings, "source", at)


def dead_letter(scope: Scope, node: Node, at: Place) -> SinkEnd | None:
    """Where dead letters go. Never computed: what cannot be decoded has nothing to compute from."""
    end = sink(scope, node, at, "dead_letter", options=("allow",))
    if end is not None and end.destination is not None:
        scope.findings.add("ES104", at, "dead letters need a fixed destination", "write it without `{{ }}`")
        return None
    return end


def sink(
    scope: Scope, node: Node, at: Place, side: str, options: tuple[str, ...] = OPTIONS
) -> SinkEnd | None:
    """A writing side."""
    chosen = _chosen(scope, node, at, "sink")
    if chosen is None:
        return None
    connector, rest = chosen
    assert connector.sink is not None
    ours, theirs = _divided(rest, options)
    own = validated(SinkOptions, ours, at, scope.findings)
    settings = validated(connector.sink.settings, theirs, at, scope.findings, (*options, "type", "use"))
    if own is None or settings is None:
        return None
    if "buffer" in ours.value and not own.optional:
        scope.findings.add(
            "ES107", ours.key_place("buffer"), "only an optional sink has a buffer", "add `optional: true`"
        )
    end = SinkEnd(connector, settings, side, at, own.optional, own.buffer, allow=tuple(own.allow))
    return _computed(scope, end, connector.sink, rest, own)


def compiled(findings: Findings, node: Node, compile: Callable[..., Any], *arguments: Any) -> Any:
    """What an expression compiles to, or None after a finding that points into it."""
    # CEL is a heavy import; a file without expressions does without it.
    from eventspan_bridges.expressions import ExpressionError

    try:
        return compile(node.plain(), *arguments)
    except ExpressionError as error:
        leaf = node
        while isinstance(leaf.value, dict) and len(leaf.value) == 1:
            [leaf] = leaf.value.values()
        exact = error.offset is not None and leaf.text is not None
        findings.add(
            "ES401", leaf.place_at(error.offset or 0) if exact else leaf.place, str(error), error.help
        )
    except ConfigError as error:
        findings.add("ES401", node.place, str(error), error.help)
    return None


def _computed(
    scope: Scope, end: SinkEnd, spec: SinkSpec[Any], node: Node, own: SinkOptions
) -> SinkEnd | None:
    order, parts = None, None
    if own.order_by is not None and (written := node.get("order_by")):
        from eventspan_bridges.expressions import compile_expression

        order = compiled(scope.findings, written, compile_expression)
        if order is None:
            return None
    texts = [str(getattr(end.settings, name, None) or "") for name in spec.destinations]
    if any(is_template(text) for text in texts):
        from eventspan_bridges.expressions.templates import compile_template

        nodes = [node.get(name) or node for name in spec.destinations]
        parts = tuple(
            compiled(scope.findings, at, lambda _, text=text: compile_template(text, end.allow))
            if is_template(text) else text
            for at, text in zip(nodes, texts, strict=True)
        )  # fmt: skip
        if None in parts:
            return None
    return replace(end, order_by=order, destination=parts)


def _divided(node: Node, options: tuple[str, ...]) -> tuple[Node, Node]:
    ours = {key: value for key, value in node.value.items() if key in options}
    theirs = {key: value for key, value in node.value.items() if key not in options}
    return replace(node, value=ours), replace(node, value=theirs)


def _chosen(scope: Scope, node: Node, at: Place, role: str) -> tuple[Connector, Node] | None:
    """The connector, and the settings that are meant for it."""
    merged = _used(scope, node, at)
    if merged is None:
        return None
    name = merged.get("type")
    if name is None:
        scope.findings.add("ES102", at, "'type' is missing", "installed: " + ", ".join(registry.names()))
        return None
    connector = _loaded(scope, name)
    if connector is None:
        return None
    if getattr(connector, role) is None:
        scope.findings.add("ES303", name.place, f"connector {connector.name!r} has no {role}")
        return None
    rest = {key: value for key, value in merged.value.items() if key not in ("type", "use")}
    return connector, replace(merged, value=rest)


def _used(scope: Scope, node: Node, at: Place) -> Node | None:
    """The mapping with the connection it names merged under it."""
    if not isinstance(node.value, dict):
        scope.findings.add("ES103", node.place, "needs a mapping", "such as {type: memory, name: orders}")
        return None
    use = node.get("use")
    if use is None:
        return node
    if "type" in node.value:
        scope.findings.add(
            "ES107", node.key_place("type"), "`type` beside `use`: the connection says the type"
        )
        return None
    connection = scope.connections.get(str(use.value))
    if connection is None:
        help = near(str(use.value), scope.connections) or "name it under `connections:`"
        scope.findings.add("ES304", use.place, f"no connection called {str(use.value)[:60]!r}", help)
        return None
    if not isinstance(connection.value, dict):
        return None
    return replace(node, value={**connection.value, **node.value}, keys={**connection.keys, **node.keys})


def _loaded(scope: Scope, name: Node) -> Connector | None:
    findings = scope.findings
    if name.text is None:
        findings.add(
            "ES103", name.place, "needs the name of a connector", "installed: " + ", ".join(registry.names())
        )
        return None
    try:
        if name.text not in scope.loaded:
            scope.loaded[name.text] = registry.load(name.text)
        return scope.loaded[name.text]
    except UnknownConnector as error:
        guess = near(name.text, registry.names())
        findings.add("ES301", name.place, str(error), f"{guess} {error.help}" if guess else error.help)
    except ConfigError as error:
        findings.add("ES302", name.place, str(error), error.help)
    return None

"""The one end that ``send`` and ``recv`` are told: an address, a name with settings, or a part of a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eventspan import registry
from eventspan.errors import ConfigError
from eventspan_bridges.settings import BridgeSettings, End, Place

if TYPE_CHECKING:
    from eventspan.connector import Connector
    from eventspan_bridges.settings.yaml_file import Node

Role = Literal["source", "sink"]
SCHEMES = {"amqps": "amqp"}
"""Schemes that are not the name of their connector."""
FORMS = "write NAME:..., NAME key=value ..., or @FILE#BRIDGE/SIDE"


def end(words: Sequence[str], role: Role) -> End:
    """The end that the words of a command line mean; raises ``ConfigError``."""
    first, pairs = words[0], words[1:]
    if first.startswith("@"):
        if pairs:
            raise ConfigError("settings beside a file", help=FORMS)
        return _from_file(first[1:], role)
    if ":" in first:
        return _from_url(first, pairs, role)
    return _from_text("\n".join([f"type: {first}", *map(_line, pairs)]).encode(), "command line", role)


def _line(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if not equals or not name:
        raise ConfigError(f"{pair[:60]!r} is no key=value", help=FORMS)
    return f"{name}: {value}"


def _from_url(url: str, pairs: Sequence[str], role: Role) -> End:
    scheme = url.partition(":")[0]
    connector = registry.load(SCHEMES.get(scheme, scheme))
    if connector.url is None:
        raise ConfigError(
            f"connector {connector.name!r} has no short form", help=f"{connector.name} key=value ..."
        )
    spec = _spec(connector, role)
    # An address can say more than one side has a setting for.
    known = {name: value for name, value in connector.url(url).items() if name in spec.settings.model_fields}
    return End(connector, _validated(spec.settings, {**known, **_parsed(pairs)}, connector.name), role)


def _parsed(pairs: Sequence[str]) -> Mapping[str, Any]:
    if not pairs:
        return {}
    from eventspan_bridges.settings.yaml_file import Fault, parse

    try:
        found = parse("\n".join(map(_line, pairs)), "command line")[0].plain()
    except Fault as fault:
        raise ConfigError(str(fault), help=FORMS) from None
    assert isinstance(found, dict)
    return found


def _validated(model: Any, found: Mapping[str, Any], name: str) -> Any:
    from pydantic import ValidationError

    try:
        return model.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or name
        raise ConfigError(
            f"{where}: {first['msg'].removeprefix('Value error, ')}", help=f"eventspan plugins show {name}"
        ) from None


def _spec(connector: Connector, role: Role) -> Any:
    spec = connector.source if role == "source" else connector.sink
    if spec is None:
        raise ConfigError(f"connector {connector.name!r} has no {role}")
    return spec


def _from_file(text: str, role: Role) -> End:
    path, _, part = text.partition("#")
    if part:
        from eventspan_bridges.cli.files import BridgeFiles

        name, _, side = part.partition("/")
        [bridge] = BridgeFiles([Path(path)]).load([name])
        return _side(bridge, side or role, role)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    return _from_text(data, path, role)


def _side(bridge: BridgeSettings, side: str, role: Role) -> End:
    ends: dict[str, End] = {"source": bridge.source} if role == "source" else {**bridge.sinks}
    if role == "sink" and bridge.dead_letter is not None:
        ends["dead_letter"] = bridge.dead_letter
    found = ends.get(side.removeprefix("sinks."))
    if found is None:
        raise ConfigError(
            f"bridge {bridge.name} has no {role} {side!r}", help="there are: " + ", ".join(ends)
        )
    return found


def _from_text(data: bytes, name: str, role: Role) -> End:
    """The settings of one side, as they stand in a bridge file."""
    from eventspan_bridges.settings import sides
    from eventspan_bridges.settings.problems import BridgeFileError, Findings
    from eventspan_bridges.settings.references import References
    from eventspan_bridges.settings.yaml_file import Fault, decode, lines_of, parse

    findings = Findings()
    found: End | None = None
    try:
        text = decode(data, name)
        findings.source(name, lines_of(text))
        node, faults = parse(text, name)
        for fault in faults:
            findings.add(fault.code, fault.place, str(fault), fault.help)
        found = _end(sides, References(os.environ, findings).resolve(node), sides.Scope(findings), role)
    except Fault as fault:
        findings.add(fault.code, fault.place, str(fault), fault.help)
    problems = findings.finish()
    if found is None or any(problem.code.level == "error" for problem in problems):
        raise BridgeFileError(problems)
    return found


def _end(sides: Any, node: Node, scope: Any, role: Role) -> End | None:
    at = Place(node.place.file, 1, 1)
    found = sides.source(scope, node, at) if role == "source" else sides.sink(scope, node, at, "sink")
    return found if isinstance(found, End) else None

"""One parsed file to its bridges: which keys there are and what each may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from eventspan.settings import Settings
from eventspan_bridges.settings import BridgeSettings, Delivery, Limits, Place, Retry, Route, SinkEnd, sides
from eventspan_bridges.settings.problems import Findings
from eventspan_bridges.settings.sides import Scope, compiled
from eventspan_bridges.settings.values import near, validated
from eventspan_bridges.settings.yaml_file import Node

S = TypeVar("S", bound=Settings)

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
TOP = ("version", "bridges", "defaults", "connections")
DEFAULTS = ("delivery", "retry", "limits", "dead_letter")
BRIDGE = (
    "description", "source", "steps", "route", "sink", "sinks", "delivery", "retry", "dead_letter", "limits",
    "tests",
)  # fmt: skip


def bridges(root: Node, findings: Findings) -> list[BridgeSettings]:
    """Every bridge of a file that is whole; what is wrong becomes findings."""
    if not _mapping(findings, root):
        return []
    _known(findings, root, TOP)
    _version(findings, root)
    scope = Scope(findings, _named(findings, root, "connections"))
    defaults = root.get("defaults")
    if defaults is not None and _mapping(findings, defaults):
        _known(findings, defaults, DEFAULTS)
    if root.get("bridges") is None:
        findings.add("ES102", root.place, "'bridges' is missing", "add `bridges:`")
    named = _named(findings, root, "bridges")
    if "bridges" in root.value and not named:
        findings.add("ES102", root.key_place("bridges"), "there is no bridge in it")
    places = root.get("bridges")
    found = [
        _Reader(scope, name, node, places.key_place(name), defaults).bridge()
        for name, node in named.items()
        if places
    ]
    return [bridge for bridge in found if bridge is not None]


class _Reader:
    """Reads one bridge, part by part, so that a fault in one hides none of another."""

    def __init__(self, scope: Scope, name: str, node: Node, place: Place, defaults: Node | None) -> None:
        self._scope, self._findings = scope, scope.findings
        self._name, self._node, self._place, self._defaults = name, node, place, defaults

    def bridge(self) -> BridgeSettings | None:
        if not _mapping(self._findings, self._node):
            return None
        _known(self._findings, self._node, BRIDGE)
        source = self._end("source", sides.source)
        sinks = self._sinks()
        steps = self._steps()
        delivery, retry, limits = (
            self._part("delivery", Delivery),
            self._part("retry", Retry),
            self._part("limits", Limits),
        )
        stops, dead_letter = self._dead_letter()
        route, tests, description = self._route(sinks), self._tests(sinks), self._description()
        if (
            source is None
            or delivery is None
            or retry is None
            or limits is None
            or not (stops or dead_letter)
        ):
            return None
        whole = {name: sink for name, sink in sinks.items() if sink is not None}
        if not whole or len(whole) < len(sinks):
            return None
        return BridgeSettings(
            name=self._name, description=description, source=source, steps=steps, route=route, sinks=whole,
            delivery=delivery, retry=retry, dead_letter=dead_letter, limits=limits, tests=tests,
            place=self._place,
        )  # fmt: skip

    def _end(self, key: str, read: Any) -> Any:
        node = self._node.get(key)
        if node is None:
            self._findings.add("ES102", self._place, f"{key!r} is missing", f"add `{key}:`")
            return None
        return read(self._scope, node, self._node.key_place(key))

    def _sinks(self) -> Mapping[str, SinkEnd | None]:
        if "sink" in self._node.value and "sinks" in self._node.value:
            self._findings.add("ES107", self._node.key_place("sink"), "`sink` and `sinks` exclude each other")
        if node := self._node.get("sink"):
            return {"sink": sides.sink(self._scope, node, self._node.key_place("sink"), "sinks.sink")}
        named = _named(self._findings, self._node, "sinks")
        if not named and not isinstance(self._node.value.get("sinks"), Node):
            self._findings.add(
                "ES102", self._place, "'sinks' is missing", "add `sinks:`, or `sink:` for a single one"
            )
        elif not named:
            self._findings.add("ES102", self._node.key_place("sinks"), "there is no sink in it")
        places = self._node.get("sinks") or self._node
        return {
            name: sides.sink(self._scope, node, places.key_place(name), f"sinks.{name}")
            for name, node in named.items()
        }

    def _part(self, key: str, model: type[S]) -> S | None:
        """Settings of the bridge over those of ``defaults``."""
        default = self._defaults.get(key) if self._defaults else None
        nodes = [node for node in (default, self._node.get(key)) if node is not None]
        if not nodes:
            return model()
        if not all([_mapping(self._findings, node) for node in nodes]):
            return None
        merged = Node({}, nodes[-1].place)
        for node in nodes:
            merged.value.update(node.value)
            merged.keys.update(node.keys)
        owner = self._node if key in self._node.value else self._defaults or self._node
        return validated(model, merged, owner.key_place(key), self._findings)

    def _dead_letter(self) -> tuple[bool, SinkEnd | None]:
        """Whether the bridge stops instead, and where its dead letters go."""
        owner = self._node if "dead_letter" in self._node.value else self._defaults or self._node
        node = owner.get("dead_letter")
        if node is None:
            help = "say where, or `dead_letter: stop` to halt at the first event that cannot be delivered"
            self._findings.add("ES102", self._place, "'dead_letter' is missing", help)
            return False, None
        if node.value == "stop":
            return True, None
        if not isinstance(node.value, dict):
            self._findings.add("ES103", node.place, "needs a mapping, or the word `stop`")
            return False, None
        return False, sides.dead_letter(self._scope, node, owner.key_place("dead_letter"))

    def _steps(self) -> tuple[Any, ...]:
        found = []
        for node in _items(self._findings, self._node, "steps"):
            if not isinstance(node.value, dict) or len(node.value) != 1:
                self._findings.add(
                    "ES103", node.place, "a step is one name and its value", "such as `- filter: ...`"
                )
                continue
            [(name, value)] = node.value.items()
            step = _step(self._findings, name, value, node.key_place(name))
            found.append(step)
        return tuple(found)

    def _route(self, sinks: Iterable[str]) -> tuple[Route, ...] | None:
        if "route" not in self._node.value:
            return None
        nodes = _items(self._findings, self._node, "route")
        routes = [self._one_route(node, set(sinks)) for node in nodes]
        ends = next((at for at, node in enumerate(nodes) if node.get("otherwise")), None)
        if ends is None:
            help = "add `- otherwise: NAME`, or `- otherwise: []` to say so"
            self._findings.add(
                "ES505", self._node.key_place("route"), "events that match no route are filtered", help
            )
        elif ends + 1 < len(nodes):
            self._findings.add(
                "ES506", nodes[ends + 1].place, "a route behind `otherwise` is never looked at", "move it up"
            )
        reached = {name for route in routes if route for name in route.to}
        owner = self._node.get("sinks") or self._node
        for name in sorted(set(sinks) - reached):
            self._findings.add("ES504", owner.key_place(name), f"no route leads to sink {name!r}")
        return tuple(route for route in routes if route is not None)

    def _one_route(self, node: Node, sinks: set[str]) -> Route | None:
        if not isinstance(node.value, dict) or set(node.value) not in ({"when", "to"}, {"otherwise"}):
            self._findings.add("ES103", node.place, "a route is {when: ..., to: ...} or {otherwise: ...}")
            return None
        when, to = node.get("when"), node.value.get("to") or node.value["otherwise"]
        condition = None
        if when is not None:
            from eventspan_bridges.expressions import compile_condition

            condition = compiled(self._findings, when, compile_condition)
        targets = to.value if isinstance(to.value, list) else [to]
        for target in targets:
            if target.value not in sinks:
                help = near(str(target.value), sinks) or "there are: " + ", ".join(sorted(sinks))
                self._findings.add("ES503", target.place, f"no sink called {str(target.value)[:60]!r}", help)
        return Route(condition, tuple(dict.fromkeys(str(target.value) for target in targets)))

    def _tests(self, sinks: Iterable[str]) -> tuple[Mapping[str, Any], ...]:
        found = []
        for node in _items(self._findings, self._node, "tests"):
            if not isinstance(node.value, dict):
                self._findings.add("ES103", node.place, "a test is a mapping of name, given and expect")
                continue
            _known(self._findings, node, ("name", "given", "expect"))
            for key, kind in (("name", str), ("given", list), ("expect", dict)):
                child = node.get(key)
                if child is None:
                    self._findings.add("ES102", node.place, f"{key!r} is missing", f"add `{key}:`")
                elif not isinstance(child.value, kind):
                    words = {str: "text", list: "a list", dict: "a mapping"}
                    self._findings.add("ES103", child.place, f"needs {words[kind]}")
            self._expected(node.get("expect"), {*sinks, "dead_letter"})
            found.append(node.plain())
        return tuple(found)

    def _expected(self, node: Node | None, sinks: set[str]) -> None:
        for name in node.value if node and isinstance(node.value, dict) else ():
            if node and name not in sinks:
                help = near(name, sinks) or "there are: " + ", ".join(sorted(sinks))
                self._findings.add("ES503", node.key_place(name), f"no sink called {name[:60]!r}", help)

    def _description(self) -> str:
        node = self._node.get("description")
        if node is not None and node.text is None:
            self._findings.add("ES105", node.place, "needs text", "write it in quotes")
        return (node.text or "") if node else ""


def _step(findings: Findings, name: str, value: Node, at: Place) -> Any:
    from eventspan_bridges import steps

    if name not in steps.NAMES:
        help = near(name, steps.NAMES) or "there are: " + ", ".join(steps.NAMES)
        findings.add("ES401", at, f"there is no step {name[:40]!r}", help)
        return None
    return compiled(findings, _culprit(name, value), lambda plain: steps.compile_step(name, plain))


def _culprit(name: str, value: Node) -> Node:
    """The one entry of a step's mapping that does not compile by itself, else the whole."""
    from eventspan_bridges import steps
    from eventspan_bridges.expressions import ExpressionError

    if not isinstance(value.value, dict) or len(value.value) < 2:
        return value
    for key, child in value.value.items():
        one = Node({key: child}, child.place, {key: value.key_place(key)})
        try:
            steps.compile_step(name, one.plain())
        except ExpressionError as error:
            if error.offset is not None:
                return one
        except Exception:  # noqa: BLE001 -- the whole step is compiled afterwards and says what is wrong
            continue
    return value


def _version(findings: Findings, root: Node) -> None:
    version = root.get("version")
    if version is None:
        findings.add("ES102", root.place, "'version' is missing", "add `version: 1`")
    elif version.value != 1 or isinstance(version.value, bool | float):
        findings.add("ES104", version.place, "this is not a version this program reads", "write `version: 1`")


def _mapping(findings: Findings, node: Node) -> bool:
    if not isinstance(node.value, dict):
        findings.add("ES103", node.place, "needs a mapping")
    return isinstance(node.value, dict)


def _named(findings: Findings, owner: Node, key: str) -> dict[str, Node]:
    """The entries of a mapping whose keys are names."""
    node = owner.get(key)
    if node is None or not _mapping(findings, node):
        return {}
    for name in node.value:
        if not NAME.fullmatch(name):
            help = "lower-case letters, digits, '-' and '_', 63 at most, a letter or digit first"
            findings.add("ES106", node.key_place(name), f"{name[:80]!r} cannot be a name", help)
    return dict(node.value)


def _items(findings: Findings, owner: Node, key: str) -> list[Node]:
    node = owner.get(key)
    if node is None:
        return []
    if not isinstance(node.value, list):
        findings.add("ES103", node.place, "needs a list")
        return []
    return list(node.value)


def _known(findings: Findings, node: Node, known: Iterable[str]) -> None:
    top = known is TOP
    for name in node.value:
        if name not in known and not (top and name.startswith("x-")):
            help = near(name, tuple(known)) or "known here: " + ", ".join(known)
            findings.add("ES101", node.key_place(name), f"unknown key {name[:60]!r}", help)

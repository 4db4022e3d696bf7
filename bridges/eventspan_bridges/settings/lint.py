"""What only shows when the sides of a bridge, or several bridges, are looked at together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from eventspan_bridges.settings import BridgeSettings, End, SinkEnd
from eventspan_bridges.settings.problems import Findings

_COMPUTED = re.compile(r"\{\{.*?\}\}", re.DOTALL)


class Resource(NamedTuple):
    """What a side reads or writes: ``kafka://host:9092/topic`` in two parts."""

    place: str
    name: str
    """A name, a glob with ``*`` or ``?``, or a regular expression that starts with ``^``."""


def reads(end: End) -> tuple[Resource, ...]:
    """What a source reads; empty where its settings have no property ``reads``."""
    return tuple(_resource(uri) for uri in getattr(end.settings, "reads", ()))


def writes(end: End) -> tuple[Resource, ...]:
    """What a sink writes, ``*`` for what is computed; empty without a property ``writes``."""
    return tuple(_resource(_COMPUTED.sub("*", uri)) for uri in getattr(end.settings, "writes", ()))


def across(bridges: Sequence[BridgeSettings], findings: Findings) -> tuple[BridgeSettings, ...]:
    """The bridges, their windows capped; what does not fit together becomes findings."""
    _names(bridges, findings)
    _consumers(bridges, findings)
    for bridge in bridges:
        _guarantee(bridge, findings)
        _own_source(bridge, findings)
    _cycles(bridges, findings)
    return tuple(_capped(bridge, findings) for bridge in bridges)


def overlap(one: Sequence[Resource], other: Sequence[Resource]) -> bool:
    """Whether anything may be in both."""
    return any(
        a.place == b.place and (_covers(a.name, b.name) or _covers(b.name, a.name))
        for a in one
        for b in other
    )


def _resource(uri: str) -> Resource:
    scheme, _, rest = uri.partition("://")
    authority, _, name = rest.partition("/")
    return Resource(f"{scheme}://{authority.rpartition('@')[2].lower()}", name)


def _covers(pattern: str, name: str) -> bool:
    if pattern.startswith("^"):
        return _matches(pattern, name)
    from eventspan_bridges.expressions.templates import matches

    return pattern == name or (("*" in pattern or "?" in pattern) and matches(pattern, name))


def _matches(pattern: str, name: str) -> bool:
    # The expression engine runs regular expressions in linear time; ``re`` does not.
    from eventspan.event import Event
    from eventspan_bridges.expressions import compile_condition

    texts = (json.dumps(text, ensure_ascii=False) for text in (name, pattern))
    try:
        return compile_condition("{}.matches({})".format(*texts)).test(Event.new({}))
    except Exception:  # noqa: BLE001 -- a pattern of another dialect: nothing is known, so nothing is said
        return False


def _names(bridges: Sequence[BridgeSettings], findings: Findings) -> None:
    first: dict[str, BridgeSettings] = {}
    for bridge in bridges:
        before = first.setdefault(bridge.name, bridge)
        if before is not bridge:
            for one, other in ((bridge, before), (before, bridge)):
                findings.add(
                    "ES501",
                    one.place,
                    f"two bridges are called {bridge.name!r}",
                    f"the other is at {other.place}",
                )


def _consumers(bridges: Sequence[BridgeSettings], findings: Findings) -> None:
    for at, bridge in enumerate(bridges):
        name = getattr(bridge.source.settings, "consumer", None)
        for other in bridges[:at] if name else ():
            same = getattr(other.source.settings, "consumer", None) == name
            if same and overlap(reads(bridge.source), reads(other.source)):
                message = f"consumer {name!r} reads the same for bridge {other.name!r}: each gets only a part"
                findings.add("ES510", bridge.source.place, message, f"the other is at {other.source.place}")


def _guarantee(bridge: BridgeSettings, findings: Findings) -> None:
    if bridge.delivery.guarantee == "at_most_once":
        findings.add(
            "ES502", bridge.source.place,
            f"at_most_once is refused: source ({bridge.source.connector.name}): "
            "no source can make a position durable before its events are written yet",
            "at_least_once loses nothing; filter repeats by (source, id) where they matter",
        )  # fmt: skip
    if bridge.delivery.guarantee != "exactly_once":
        return
    for end in bridge.sinks.values():
        spec = end.connector.sink
        able = spec is not None and spec.traits_of(end.settings).transactional
        why = (
            "its writes and the positions of the source cannot be one transaction yet"
            if able
            else "it has no transactions"
        )
        findings.add(
            "ES502", end.place, f"exactly_once is refused: {end.side} ({end.connector.name}): {why}",
            "at_least_once loses nothing; an idempotent sink takes the repeats",
        )  # fmt: skip


def _own_source(bridge: BridgeSettings, findings: Findings) -> None:
    read = reads(bridge.source)
    if bridge.dead_letter and overlap(writes(bridge.dead_letter), read):
        findings.add(
            "ES507", bridge.dead_letter.place, "dead letters go where the source reads: they would come back"
        )
    for end in bridge.sinks.values():
        if overlap(writes(end), read):
            code = "ES512" if end.destination else "ES508"
            findings.add(code, end.place, f"{end.side} writes what the source reads: events would go round")


def _cycles(bridges: Sequence[BridgeSettings], findings: Findings) -> None:
    leads = {
        one.name: [
            two.name for two in bridges if two is not one and overlap(list(_written(one)), reads(two.source))
        ]
        for one in bridges
    }
    by_name = {bridge.name: bridge for bridge in bridges}
    for cycle in _found(leads):
        members = [by_name[name] for name in cycle]
        # A filter, a route or a computed name may let no event round; only without them it is certain.
        certain = not any(b.steps or b.route or any(e.destination for e in b.sinks.values()) for b in members)
        shown = " -> ".join([*cycle, cycle[0]])
        findings.add(
            "ES509" if certain else "ES512", members[0].place,
            f"these bridges lead back to one another: {shown}",
            None if certain else "make sure that no event goes round for ever",
        )  # fmt: skip


def _written(bridge: BridgeSettings) -> Iterator[Resource]:
    ends: list[SinkEnd] = [*bridge.sinks.values(), *([bridge.dead_letter] if bridge.dead_letter else [])]
    for end in ends:
        yield from writes(end)


def _found(leads: dict[str, list[str]]) -> Iterator[list[str]]:
    """One shortest cycle through each bridge that is on one, no set of bridges twice."""
    told: set[frozenset[str]] = set()
    for start in leads:
        cycle = _shortest(leads, start)
        if cycle and frozenset(cycle) not in told:
            told.add(frozenset(cycle))
            yield cycle


def _shortest(leads: dict[str, list[str]], start: str) -> list[str]:
    came: dict[str, str] = {}
    queue = [start]
    for name in queue:
        for target in leads[name]:
            if target == start:
                path = [name]
                while path[-1] != start:
                    path.append(came[path[-1]])
                return path[::-1]
            if target not in came:
                came[target] = name
                queue.append(target)
    return []


def _capped(bridge: BridgeSettings, findings: Findings) -> BridgeSettings:
    spec = bridge.source.connector.source
    limit = spec.traits_of(bridge.source.settings).max_pending if spec else None
    if limit is None or bridge.delivery.in_flight <= limit:
        return bridge
    if "in_flight" in bridge.delivery.model_fields_set:
        findings.add(
            "ES511",
            bridge.source.place,
            f"the source leaves at most {limit} events pending; in_flight is capped",
        )
    return replace(bridge, delivery=bridge.delivery.model_copy(update={"in_flight": limit}))

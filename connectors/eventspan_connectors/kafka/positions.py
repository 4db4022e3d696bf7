"""Positions of a group as lanes: committed, wanted, still to read."""

from collections.abc import Mapping

from confluent_kafka import TopicPartition

from eventspan.endpoint import Target
from eventspan.errors import ConfigError
from eventspan.event import Position
from eventspan_connectors.kafka.lookup import Lookup
from eventspan_connectors.kafka.records import lane_of


def committed(lookup: Lookup) -> dict[str, Position | None]:
    """The committed offset of every lane; None where there is none."""
    return {_lane(tp): tp.offset if tp.offset >= 0 else None for tp in lookup.positions()}


def ends(lookup: Lookup) -> dict[str, int]:
    """The offset after the last record of every lane, now."""
    found = lookup.partitions()
    return {_lane(tp): high for tp, (_, high) in zip(found, lookup.watermarks(found), strict=True)}


def lag(lookup: Lookup, start: str) -> dict[str, int]:
    """Records behind the committed offset, or behind where reading would begin."""
    found = lookup.positions()
    behind = {}
    for tp, (low, high) in zip(found, lookup.watermarks(found), strict=True):
        begin = high if start == "latest" else low
        behind[_lane(tp)] = max(0, high - (max(tp.offset, low) if tp.offset >= 0 else begin))
    return behind


def resolve(lookup: Lookup, targets: Mapping[str, Target]) -> list[TopicPartition]:
    """Offsets that targets stand for; raises ``ConfigError`` for a lane that is none."""
    lanes = {_lane(tp): tp for tp in lookup.partitions()}
    for lane in targets:
        if lane not in lanes:
            raise ConfigError(f"no lane {lane[:80]!r}", help="lanes: " + ", ".join(sorted(lanes)[:20]))
    asked = [lanes[lane] for lane in targets]
    edges = zip(asked, targets.values(), lookup.watermarks(asked), strict=True)
    return [lookup.resolve(tp, target, low, high) for tp, target, (low, high) in edges]


def _lane(tp: TopicPartition) -> str:
    return lane_of(tp.topic, tp.partition)

"""What doctor learns about a log without touching it."""

from collections.abc import Sequence

from eventspan.endpoint import Finding, Level
from eventspan_connectors.memory.log import peek


def findings(name: str, lanes: int) -> Sequence[Finding]:
    """One finding: whether the log can be used with this number of lanes."""
    subject, found = f"log {name}", peek(name)
    if found is None:
        return [Finding(subject, Level.OK, "not there yet; it is made on first use")]
    if len(found.lanes) != lanes:
        return [Finding(subject, Level.FAILED, f"has {len(found.lanes)} lane(s), not {lanes}")]
    return [
        Finding(subject, Level.OK, f"{sum(lane.end - lane.base for lane in found.lanes.values())} event(s)")
    ]

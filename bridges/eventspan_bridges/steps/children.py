"""The ids of events that one event became."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eventspan.errors import Rejected
from eventspan.event import Event


def children(parent: Event, events: Sequence[Event], step: str) -> list[Event]:
    """The events with an identity each.

    Those that share the parent's (source, id) become ``<id>/<n>`` by their place, from 0.
    Raises ``Rejected`` when two of the result are still alike.
    """
    inherited = [at for at, event in enumerate(events) if _identity(event) == _identity(parent)]
    named = list(events)
    if len(inherited) > 1:
        for at in inherited:
            named[at] = numbered(parent, events[at], at)
    _check_distinct(named, step)
    return named


def numbered(parent: Event, child: Event, at: int) -> Event:
    """The child with the id ``<id>/<at>``."""
    return child.replace({**child.attributes, "id": f"{parent.id}/{at}"})


def _check_distinct(events: Sequence[Event], step: str) -> None:
    if len(events) > 1 and Counter(map(_identity, events)).most_common(1)[0][1] > 1:
        raise Rejected(f"{step} gives two events with the same source and id")


def _identity(event: Event) -> tuple[str, str]:
    return event.source, event.id

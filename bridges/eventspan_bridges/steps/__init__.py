"""What a bridge does to an event between its source and its sinks, one module per step."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from eventspan.errors import ConfigError
from eventspan.event import Event
from eventspan_bridges.steps.drop_fields import DropFields
from eventspan_bridges.steps.filter import Filter
from eventspan_bridges.steps.python import Python
from eventspan_bridges.steps.set import Set
from eventspan_bridges.steps.split import Split

Outcome: TypeAlias = Event | Sequence[Event] | None
"""The event that goes on, its children, or None: filtered."""


class Step(Protocol):
    """One step, compiled. Raises ``Rejected`` for an event it cannot take."""

    @property
    def name(self) -> str:
        """As the bridge file has it; for dead letters and metrics."""
        ...

    @property
    def asynchronous(self) -> bool:
        """Whether calling it gives an awaitable."""
        ...

    def __call__(self, event: Event) -> Outcome | Awaitable[Outcome]: ...


_STEPS: Mapping[str, Callable[[object], Step]] = {
    "filter": Filter,
    "set": Set,
    "drop_fields": DropFields,
    "split": Split,
    "python": Python,
}

NAMES = tuple(_STEPS)
"""The steps a bridge file can name."""


def compile_step(name: str, value: object) -> Step:
    """A step from its name and value in the bridge file; raises ``ConfigError``."""
    if name not in _STEPS:
        near = difflib.get_close_matches(name, NAMES, 1)
        help = f"did you mean {near[0]}?" if near else f"there are {', '.join(NAMES)}"
        raise ConfigError(f"there is no step {name[:40]!r}", help=help)
    return _STEPS[name](value)

"""``filter``: events for which a condition is false go no further."""

from __future__ import annotations

from eventspan.errors import ConfigError
from eventspan.event import Event
from eventspan_bridges.expressions import compile_condition


class Filter:
    """Keeps events for which the condition is true."""

    name = "filter"
    asynchronous = False

    def __init__(self, value: object) -> None:
        if not isinstance(value, str | dict):
            raise ConfigError("filter needs a condition, such as event.type == 'order.created'")
        self._condition = compile_condition(value)

    def __call__(self, event: Event) -> Event | None:
        return event if self._condition.test(event) else None

"""``split``: one event for each item of a list."""

from __future__ import annotations

import re

from eventspan.errors import ConfigError, Rejected
from eventspan.event import Event
from eventspan_bridges.expressions import compile_expression
from eventspan_bridges.steps.children import numbered
from eventspan_bridges.steps.members import items, json_data, to_json

_PATH = re.compile(r"event\.data((?:\.[A-Za-z_]\w*)*)").fullmatch


class Split:
    """Each item becomes the data of a child with the id ``<id>/<n>``; an empty list is filtered.

    Items of a plain path such as ``event.data.items`` keep their bytes; those of any
    other expression are printed.
    """

    name = "split"
    asynchronous = False

    def __init__(self, value: object) -> None:
        if not isinstance(value, str):
            raise ConfigError("split needs an expression that gives a list, such as event.data.items")
        self._expression = compile_expression(value)
        path = _PATH(value.strip())
        self._path = tuple(path[1].split(".")[1:]) if path else None

    def __call__(self, event: Event) -> list[Event] | None:
        found = self._items(event)
        return [numbered(event, event.replace(data=item), at) for at, item in enumerate(found)] or None

    def _items(self, event: Event) -> list[bytes]:
        data = json_data(event)
        if self._path is not None:
            return items(data, self._path)
        value = self._expression.evaluate(event)
        if not isinstance(value, list):
            raise Rejected(f"split: expression {self._expression.text[:80]!r} gives no list")
        return [to_json(item) for item in value]

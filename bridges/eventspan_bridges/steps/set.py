"""``set``: attributes and members of JSON data from expressions."""

from __future__ import annotations

from collections.abc import Mapping

from eventspan.attributes import REQUIRED, check
from eventspan.errors import ConfigError, Rejected
from eventspan.event import Event, Value
from eventspan_bridges.expressions import Expression, ExpressionError, compile_expression
from eventspan_bridges.steps.members import json_data, parse_target, put, to_json


class Set:
    """Sets attributes and ``data.`` members. Every expression sees the event as it came.

    ``null`` removes an optional attribute and is a value for a member. Members beside
    the ones set keep their bytes and their place.
    """

    name = "set"
    asynchronous = False

    def __init__(self, value: object) -> None:
        if not isinstance(value, Mapping) or not value:
            raise ConfigError("set needs fields and expressions, such as subject: event.data.order_id")
        self._attributes: list[tuple[str, Expression]] = []
        self._members: list[tuple[tuple[str, ...], Expression]] = []
        for target, text in value.items():
            self._add(target, text)

    def _add(self, target: object, text: object) -> None:
        field = parse_target(target)
        if field == "specversion":
            raise ConfigError("specversion cannot be set")
        if not isinstance(text, str):
            raise ExpressionError(
                f"set {target} needs an expression; text needs quotes of its own: '\"EUR\"'"
            )
        expression = compile_expression(text)
        if isinstance(field, str):
            self._attributes.append((field, expression))
        else:
            self._members.append((field, expression))

    def __call__(self, event: Event) -> Event:
        attributes = self._new_attributes(event) if self._attributes else event.attributes
        return event.replace(attributes, self._new_data(event) if self._members else event.data)

    def _new_attributes(self, event: Event) -> dict[str, Value]:
        attributes = dict(event.attributes)
        for name, expression in self._attributes:
            value = expression.evaluate(event)
            if value is None and name not in REQUIRED:
                attributes.pop(name, None)
            elif isinstance(value, str | bool | int | bytes):
                attributes[name] = value
            else:
                raise Rejected(f"set {name}: the expression gives no value that an attribute can have")
        check(attributes)
        return attributes

    def _new_data(self, event: Event) -> bytes:
        data = json_data(event)
        values = [(path, to_json(expression.evaluate(event))) for path, expression in self._members]
        for path, value in values:
            data = put(data, path, value)
        return data

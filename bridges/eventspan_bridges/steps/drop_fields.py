"""``drop_fields``: attributes and members of JSON data that go no further."""

from __future__ import annotations

from collections.abc import Sequence

from eventspan.attributes import REQUIRED
from eventspan.errors import ConfigError
from eventspan.event import Event
from eventspan_bridges.steps.members import json_data, parse_target, without


class DropFields:
    """Takes attributes and ``data.`` members out; one that is not there is fine.

    Other members keep their bytes and their place. Where ``data.`` members are
    named, data that is not JSON is ``Rejected``: what must not pass could be in it.
    """

    name = "drop_fields"
    asynchronous = False

    def __init__(self, value: object) -> None:
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise ConfigError("drop_fields needs a list of fields, such as [data.card.number]")
        fields = [parse_target(field) for field in value]
        required = [field for field in fields if field in REQUIRED]
        if required:
            raise ConfigError(f"{required[0]} is required and cannot be dropped")
        self._names = [field for field in fields if isinstance(field, str)]
        self._paths = [field for field in fields if not isinstance(field, str)]

    def __call__(self, event: Event) -> Event:
        attributes = event.attributes
        if any(name in attributes for name in self._names):
            attributes = {name: value for name, value in attributes.items() if name not in self._names}
        data = self._data_left(event) if self._paths and event.data is not None else event.data
        if attributes is event.attributes and data is event.data:
            return event
        return event.replace(attributes, data)

    def _data_left(self, event: Event) -> bytes:
        data = json_data(event)
        for path in self._paths:
            left = without(data, path)
            data = data if left is None else left
        return data

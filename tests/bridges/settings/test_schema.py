"""The JSON Schema takes what the checker takes."""

from typing import Any

import jsonschema  # type: ignore[import-untyped] # its stubs are a package of their own
import pytest

from eventspan import registry
from eventspan.errors import ConfigError
from eventspan_bridges.settings.schema import schema
from eventspan_bridges.settings.yaml_file import parse

GOOD = """\
version: 1
x-any: [1, {a: b}]
defaults: {delivery: {in_flight: "${WINDOW}"}}
connections: {log: {type: memory}}
bridges:
  orders:
    source: {type: memory, name: orders, lanes: "${LANES}"}
    steps: [{filter: event.type == "a"}]
    route: [{when: event.type == "a", to: [all]}, {otherwise: all}]
    sinks:
      all: {type: memory, name: all, optional: true, buffer: {events: 5}, order_by: event.subject}
      log: {use: log, name: x}
    delivery: {drain_timeout: 5s}
    limits: {rate: 5000/s, max_event: "${SIZE:-4MiB}"}
    dead_letter: stop
    tests: [{name: a, given: [], expect: {}}]
"""

BAD = [
    ("version: 1", "version: 2"),
    ("x-any", "any"),
    ("name: orders, lanes", "nam: orders, lanes"),
    ('lanes: "${LANES}"', "lanes: many"),
    ('lanes: "${LANES}"', "lanes: 0"),
    ("type: memory, name: all", "type: memoryy, name: all"),
    ("optional: true", "optional: 5"),
    ("drain_timeout: 5s", "drain_timeout: 5"),
    ("dead_letter: stop", "dead_letter: halt"),
    ("filter:", "fliter:"),
    ("  orders:", "  ../orders:"),
]


def errors(text: str, found: dict[str, Any] | None = None) -> list[str]:
    validator = jsonschema.Draft202012Validator(found or schema())
    return [error.message for error in validator.iter_errors(parse(text, "f")[0].plain())]


def test_it_is_a_schema_and_takes_a_good_file() -> None:
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    assert errors(GOOD, found) == []


@pytest.mark.parametrize(("right", "wrong"), BAD)
def test_it_refuses_a_bad_one(right: str, wrong: str) -> None:
    assert right in GOOD
    assert errors(GOOD.replace(right, wrong))


def test_a_connector_that_cannot_be_loaded_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    load = registry.load

    def broken(name: str) -> Any:
        if name != "memory":
            raise ConfigError("broken")
        return load(name)

    monkeypatch.setattr(registry, "load", broken)
    assert {"memory.source"} == {key for key in schema()["$defs"] if key.endswith(".source")}
    assert errors(GOOD) == []

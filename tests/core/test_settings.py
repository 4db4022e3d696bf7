"""Settings are closed and frozen, and every number says its unit."""

import jsonschema  # type: ignore[import-untyped] # ships no types
import pytest
from pydantic import ValidationError

from eventspan.settings import (
    Count,
    Duration,
    Port,
    Rate,
    Settings,
    Size,
    Tls,
    bytes_of,
    is_template,
    per_second,
    seconds,
)


class Example(Settings):
    wait: Duration = 0.2
    """How long."""
    room: Size = 1024
    """How much."""
    rate: Rate = 1.0
    """How fast."""
    count: Count = 1
    """How many."""
    port: Port = 9092
    """Where."""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200ms", 0.2),
        ("30s", 30.0),
        ("1.5 m", 90.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("5us", 5e-6),
        ("0s", 0.0),
    ],
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)
    assert Example.model_validate({"wait": text}).wait == seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1B", 1),
        ("64KiB", 65536),
        ("128MiB", 2**27),
        ("1kB", 1000),
        ("1.5 GiB", 3 * 2**29),
        ("1TiB", 2**40),
        ("2MB", 2 * 10**6),
        ("1GB", 10**9),
    ],
)
def test_sizes(text: str, value: int) -> None:
    assert bytes_of(text) == value
    assert Example.model_validate({"room": text}).room == value


@pytest.mark.parametrize(
    ("text", "value"), [("5000/s", 5000.0), ("60/m", 1.0), ("1.5/s", 1.5), ("7200/h", 2.0)]
)
def test_rates(text: str, value: float) -> None:
    assert per_second(text) == value
    assert Example.model_validate({"rate": text}).rate == value


NONSENSE: list[object] = [
    "inf", "nan", "infs", "nans", "-1s", "-5/s", "-1KiB", "1e3s", "1e999s", "0x10s", "1_000s", "", " ", "s",
    "5", "5 ", "1.s", ".5s",
    "1ss", "\u0661s", "1s\n2s", "9" * 16 + "s", "0/s", "1/d", "1KB", "1kib", "1S", 5, 0, -1, 0.5, True, False,
    float("inf"), float("nan"), None, [], {}, b"1s",
]  # fmt: skip


@pytest.mark.parametrize("field", ["wait", "room", "rate"])
@pytest.mark.parametrize("value", NONSENSE, ids=repr)
def test_what_is_no_number_with_its_unit(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Example.model_validate({field: value})
    assert "such as" in str(caught.value)


@pytest.mark.parametrize(("field", "value"), [("wait", "5MiB"), ("room", "5s"), ("rate", "5s")])
def test_a_unit_of_another_kind(field: str, value: str) -> None:
    with pytest.raises(ValidationError):
        Example.model_validate({field: value})


@pytest.mark.parametrize("value", [0, -1, 10**12, True, "5", "5 ", 1.0, 1.5, float("nan"), None])
@pytest.mark.parametrize("field", ["count", "port"])
def test_counts_and_ports_are_whole_and_positive(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Example.model_validate({field: value})


def test_ports_end() -> None:
    assert Example.model_validate({"port": 65535}).port == 65535
    with pytest.raises(ValidationError):
        Example.model_validate({"port": 65536})


def test_settings_are_frozen_and_closed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Example().count = 2  # type: ignore[misc] # that it cannot is the point
    with pytest.raises(ValidationError, match="conut"):
        Example.model_validate({"conut": 2})


def test_verification_is_on_by_default() -> None:
    assert Tls().insecure_skip_verify is False


@pytest.mark.parametrize("field", ["wait", "room", "rate"])
def test_the_schema_refuses_what_the_settings_refuse(field: str) -> None:
    schema = Example.model_json_schema()
    assert schema["properties"][field]["description"].startswith("How")
    good = {"wait": "200ms", "room": "128MiB", "rate": "5000/s"}[field]
    jsonschema.validate({field: good}, schema)
    for value in (5, True, "5", "-1s", "inf", "nan"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({field: value}, schema)


def test_templates_are_seen() -> None:
    assert is_template("{{ event.type }}")
    assert not is_template("orders")
    assert not is_template("{ x }")

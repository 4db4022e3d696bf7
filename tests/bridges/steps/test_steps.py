"""Steps one by one: what goes on, what is filtered, what is rejected."""

import sys
from collections.abc import Awaitable, Iterator
from types import ModuleType
from typing import Any

import pytest

from eventspan.errors import ConfigError, NotConnected, Rejected
from eventspan.event import Event, Transport, Value
from eventspan_bridges.steps import NAMES, compile_step

TRANSPORT = Transport(address="orders")


def event(data: bytes | None = b'{"items":[1.00,{"a":1}],"none":[]}', **extra: Value) -> Event:
    attributes: dict[str, Value] = {
        "id": "7",
        "source": "/s",
        "type": "t",
        "datacontenttype": "application/json",
    }
    return Event.new({**attributes, **extra}, data, TRANSPORT)


def run(name: str, value: object, given: Event | None = None) -> Any:
    return compile_step(name, value)(given or event())


def test_names_are_those_of_the_bridge_file() -> None:
    assert NAMES == ("filter", "set", "drop_fields", "split", "python")
    with pytest.raises(ConfigError) as caught:
        compile_step("drop_field", ["a"])
    assert caught.value.help == "did you mean drop_fields?"


def test_filter() -> None:
    given = event()
    assert run("filter", 'event.type == "t"', given) is given
    assert run("filter", {"cel": 'event.type != "t"'}, given) is None


def test_set_sees_the_event_as_it_came_and_keeps_the_transport() -> None:
    result = run("set", {"subject": "event.type", "type": "event.source", "data.a.b": "event.type"})
    assert (result.subject, result.type) == ("t", "/s")
    assert result.data == b'{"items":[1.00,{"a":1}],"none":[],"a":{"b":"t"}}'
    assert result.transport is TRANSPORT


def test_set_null_removes_an_optional_attribute() -> None:
    assert run("set", {"subject": "null"}, event(subject="x")).subject is None


@pytest.mark.parametrize(
    "value",
    [
        {"id": "null"},
        {"id": '""'},
        {"time": '"noon"'},
        {"subject": "1.5"},
        {"subject": "[1]"},
        {"n": "9999999999"},
        {"data.items.x": "1"},
        {"data.x": "0.0 / 0.0"},
        {"data.x": "b'a'"},
        {"data.x": "timestamp(0)"},
    ],
)
def test_set_rejects_what_would_be_no_event(value: object) -> None:
    with pytest.raises(Rejected):
        run("set", value)


@pytest.mark.parametrize("data", [None, b"[1]", b"{", b"\xff", b'{"a":' * 200_000])
def test_set_rejects_data_without_members(data: bytes | None) -> None:
    with pytest.raises(Rejected):
        run("set", {"data.x": "1"}, event(data))


def test_drop_fields() -> None:
    given = event(b'{"card": {"number": 1, "n":1.0}, "big":12345678901234567890123}', subject="x")
    result = run("drop_fields", ["subject", "data.card.number", "data.no.such"], given)
    assert result.subject is None
    assert result.data == b'{"card":{"n":1.0},"big":12345678901234567890123}'
    assert run("drop_fields", ["dataschema", "data.nope"], given) is given
    with pytest.raises(Rejected):
        run("drop_fields", ["data.card"], event(b"x", datacontenttype="text/plain"))


def test_split_keeps_the_bytes_of_each_item() -> None:
    first, second = run("split", "event.data.items")
    assert [(first.id, first.data), (second.id, second.data)] == [("7/0", b"1.00"), ("7/1", b'{"a":1}')]
    assert first.transport is TRANSPORT
    assert [child.data for child in run("split", "event.data.items.map(i, [i])")] == [b"[1.0]", b'[{"a":1}]']
    assert run("split", "event.data.none") is None
    assert run("split", "event.data.none.map(i, i)") is None


@pytest.mark.parametrize("value", ["event.data", "event.data.nope", "event.type", "event.data.items[0]"])
def test_split_rejects_what_is_no_list(value: str) -> None:
    with pytest.raises(Rejected):
        run("split", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("filter", 5),
        ("filter", None),
        ("filter", "1 +"),
        ("set", {}),
        ("set", "x"),
        ("set", {"data": "1"}),
        ("set", {"data..x": "1"}),
        ("set", {"Subject": "1"}),
        ("set", {"specversion": "'1.0'"}),
        ("set", {"subject": 1}),
        ("drop_fields", []),
        ("drop_fields", "a"),
        ("drop_fields", ["id"]),
        ("drop_fields", [1]),
        ("split", ["x"]),
        ("python", "shop.steps"),
        ("python", 1),
        ("python", "no.such.module:f"),
        ("python", "json:dump_"),
        ("python", "json:decoder"),
    ],
)
def test_a_wrong_value_is_refused_at_start(name: str, value: object) -> None:
    with pytest.raises(ConfigError):
        compile_step(name, value)


@pytest.fixture
def shop() -> Iterator[ModuleType]:
    module = ModuleType("shop_steps")
    sys.modules["shop_steps"] = module
    yield module
    del sys.modules["shop_steps"]


def call(module: ModuleType, function: Any) -> Any:
    module.__dict__["step"] = function
    return run("python", "shop_steps:step")


def test_python_gives_events_children_or_nothing(shop: ModuleType) -> None:
    assert call(shop, lambda e: e.replace(data=b"1")).data == b"1"
    assert call(shop, lambda e: None) is None
    assert call(shop, lambda e: []) is None
    assert [child.id for child in call(shop, lambda e: [e])] == ["7"]
    assert [child.id for child in call(shop, lambda e: [e, e])] == ["7/0", "7/1"]
    named = call(shop, lambda e: [e, e.replace({**e.attributes, "id": "own"})])
    assert [child.id for child in named] == ["7", "own"]


def test_python_rejects_children_that_are_alike(shop: ModuleType) -> None:
    with pytest.raises(Rejected, match="same source and id"):
        call(shop, lambda e: [e.replace({**e.attributes, "id": "x"})] * 2)


def test_python_names_the_function_and_not_the_content(shop: ModuleType) -> None:
    def fails(event: Event) -> Event:
        raise ValueError("SECRET")

    with pytest.raises(Rejected) as caught:
        call(shop, fails)
    assert str(caught.value) == "python step shop_steps:step raised ValueError"
    with pytest.raises(Rejected, match="gave dict, not an Event"):
        call(shop, lambda e: {})
    with pytest.raises(Rejected, match="gave list"):
        call(shop, lambda e: [1])


def test_python_lets_our_own_errors_through(shop: ModuleType) -> None:
    def fails(event: Event) -> Event:
        raise NotConnected("away")

    with pytest.raises(NotConnected):
        call(shop, fails)


async def test_python_may_be_asynchronous(shop: ModuleType) -> None:
    async def step(event: Event) -> Event:
        if event.data is None:
            raise KeyError("SECRET")
        return event

    shop.__dict__["step"] = step
    compiled = compile_step("python", "shop_steps:step")
    assert compiled.asynchronous
    given = event()
    outcome = compiled(given)
    assert isinstance(outcome, Awaitable)
    assert await outcome is given
    failing = compiled(event(None))
    assert isinstance(failing, Awaitable)
    with pytest.raises(Rejected, match="raised KeyError"):
        await failing


def test_a_missing_function_suggests_a_near_one() -> None:
    with pytest.raises(ConfigError) as caught:
        compile_step("python", "json:dumpz")
    assert caught.value.help in ("did you mean dumps?", "did you mean dump?")

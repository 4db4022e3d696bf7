"""Addresses, secrets and limits of the settings."""

from typing import Any

import pytest
from pydantic import ValidationError

from eventspan import ConfigError
from eventspan_connectors.amqp import connector
from eventspan_connectors.amqp.config import AmqpSink, AmqpSource, from_url


def test_a_url_is_taken_apart_and_never_shown() -> None:
    settings = AmqpSource(url="amqp://u:p%40ss@h/%2f", queue="q")
    assert (settings.peer, settings.vhost, settings.username) == ("h:5672", "/", "u")
    assert settings.password.reveal() == "p@ss"
    assert "p@ss" not in repr(settings)
    assert "p%40ss" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "vhost", "port"),
    [
        ("amqp://h", "/", 5672),
        ("amqp://h/", "/", 5672),
        ("amqps://h/v", "v", 5671),
        ("amqp://h:1/a%2fb", "a/b", 1),
    ],
)
def test_urls_name_host_port_and_vhost(url: str, vhost: str, port: int) -> None:
    settings = AmqpSource(url=url, queue="q")
    assert (settings.vhost, settings.port, settings.tls is not None) == (vhost, port, url.startswith("amqps"))


@pytest.mark.parametrize(
    "url", ["http://h", "amqp://", "amqp://u:hunter2@h:99999/", "hunter2", "amqp://h/?x=hunter2"]
)
def test_other_urls_are_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValidationError) as raised:
        AmqpSource(url=url, queue="q")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue": ""},
        {"queue": "q", "prefetch": 999},
        {"queue": "q", "prefetch": 70_000},
        {"queue": "q", "url": "amqp://h", "host": "h"},
        {"queue": "q", "batch": 0},
        {"queue": "q", "declare": {"type": "quorum", "durable": False}},
    ],
)
def test_sources_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AmqpSource(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"routing_key": "k" * 256},
        {"exchange": "a\0b", "routing_key": "k"},
        {"exchange": "e", "routing_key": "k", "declare": {}},
        {"routing_key": "{{ event.type }}", "declare": {}},
    ],
)
def test_sinks_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AmqpSink(**wrong)


def test_the_short_form_names_a_queue_or_an_exchange() -> None:
    assert AmqpSource(**from_url("amqp://u:p@h/v?queue=q")).queue == "q"
    sink = AmqpSink(**from_url("amqp://h/v?exchange=e&routing_key=k"))
    assert (sink.exchange, sink.routing_key) == ("e", "k")
    for wrong in ("amqp://h/", "amqp://h/?quueue=q"):
        with pytest.raises(ConfigError):
            from_url(wrong)


def test_traits_follow_the_settings() -> None:
    assert connector.source is not None
    counted = AmqpSource(queue="q", declare={"type": "quorum"})
    assert connector.source.traits_of(counted).counts_deliveries
    assert connector.source.traits_of(counted).max_pending == 2000


def test_a_queue_has_one_name_whoever_uses_it() -> None:
    source = AmqpSource(url="amqp://u:p@h/a%2fb", queue="q/1")
    sink = AmqpSink(host="h", vhost="a/b", routing_key="q/1")
    assert [*source.reads] == [*sink.writes] == ["amqp://h:5672/a%2Fb/queue/q/1"]
    assert source.consumer == "q/1"
    assert [*AmqpSink(host="::1", exchange="e", routing_key="k").writes] == [
        "amqp://[::1]:5672/%2F/exchange/e"
    ]


def test_listed_options_of_the_client_are_taken() -> None:
    given = {
        "name": "orders",
        "product": "shop",
        "auth": "plain",
    }
    assert AmqpSource(queue="q", options=given).options == given


@pytest.mark.parametrize(
    "wrong",
    [
        {"no_verify_ssl": 1},
        {"capabilities": "x"},
        {"cafile": "/etc/passwd"},
        {"auth": "amqplain"},
        {"name": 5},
        {"product": "x" * 256},
        {"version": ""},
    ],
)
def test_other_options_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        AmqpSink(routing_key="q", options=wrong)

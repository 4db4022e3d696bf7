"""What settings are refused, and by which words."""

from typing import Any

import pytest
from pydantic import ValidationError

from eventspan import ConfigError
from eventspan_connectors.kafka import connector, options
from eventspan_connectors.kafka.config import KafkaSink, KafkaSource

PLAIN = {"mechanism": "PLAIN", "username": "u", "password": "hunter2"}


def source(**changed: Any) -> KafkaSource:
    return KafkaSource.model_validate({"servers": ["h:9092"], "topics": ["t"], "group": "g", **changed})


@pytest.mark.parametrize(
    "name",
    ["plugin.library.paths", "ssl.ca.location", "sasl.oauthbearer.token.endpoint.url", "enable.auto.commit",
     "enable.auto.offset.store", "acks", "auto.offset.reset", "bootstrap.servers", "debug"],
)  # fmt: skip
def test_refuses_options_that_are_not_listed(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        source(options={name: "x"})
    with pytest.raises(ValidationError, match=name):
        KafkaSink.model_validate({"servers": ["h:1"], "topic": "t", "options": {name: "x"}})


@pytest.mark.parametrize("servers", [[], ["h"], ["h:0"], ["h:65536"], ["u:p@h:1"], ["h:9092 "]])
def test_refuses_servers(servers: list[str]) -> None:
    with pytest.raises(ValidationError):
        source(servers=servers)


@pytest.mark.parametrize("topic", [".", "..", "a b", "", "x" * 250, "a/b"])
def test_refuses_topics(topic: str) -> None:
    with pytest.raises(ValidationError):
        source(topics=[topic])
    with pytest.raises(ValidationError):
        KafkaSink.model_validate({"servers": ["h:1"], "topic": topic})


def test_a_password_needs_cover() -> None:
    with pytest.raises(ValidationError, match="insecure_plaintext") as refused:
        source(sasl=PLAIN)
    assert "hunter2" not in str(refused.value)
    assert source(sasl=PLAIN, tls=True).sasl
    assert source(sasl={**PLAIN, "insecure_plaintext": True}).sasl


def test_no_password_is_printed() -> None:
    assert "hunter2" not in repr(source(sasl=PLAIN, tls=True))


def test_a_glob_matches_whole_names() -> None:
    assert options.subscription(["a.*", "b", "^c"]) == ["^a[.].*$", "b", "^c"]


def test_a_computed_topic_is_not_checked() -> None:
    sink = KafkaSink.model_validate({"servers": ["h:1"], "topic": "x-{{ event.type }}"})
    assert sink.topic == "x-{{ event.type }}"


def test_short_form() -> None:
    assert connector.url is not None
    found = connector.url("kafka://h:1/orders?group=g")
    assert found == {"servers": ["h:1"], "topic": "orders", "topics": ["orders"], "group": "g"}
    for wrong in ("kafka://h:1", "kafka:///t", "kafka://u:p@h/t", "kafka://h/t?x=1"):
        with pytest.raises(ConfigError):
            connector.url(wrong)


def test_says_what_it_reads_and_writes() -> None:
    """What lint compares: no credentials, one address per server."""
    read = source(
        servers=["a:1", "b:2"], topics=["t", "x.*", "^y"], sasl={**PLAIN, "insecure_plaintext": True}
    )
    assert read.reads == tuple(
        f"kafka://{at}/{topic}" for at in ("a:1", "b:2") for topic in ("t", "x.*", "^y")
    )
    assert read.consumer == "g"
    sink = KafkaSink.model_validate({"servers": ["a:1"], "topic": "x-{{ event.type }}"})
    assert sink.writes == ("kafka://a:1/x-{{ event.type }}",)

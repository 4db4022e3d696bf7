"""Settings of the Kafka source and sink."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from eventspan.secret import Secret
from eventspan.settings import Count, EnvelopeSink, EnvelopeSource, Settings, Tls, is_template
from eventspan_connectors.kafka.options import CONSUMER, PRODUCER, Option, refuse_unlisted

_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}").fullmatch
_GLOB = re.compile(r"[A-Za-z0-9._*-]{1,249}").fullmatch
_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})").fullmatch


class Sasl(Settings):
    """Who logs in, and how."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    """``PLAIN`` shows the password to the wire: it needs ``tls``."""
    username: Annotated[str, Field(min_length=1)]
    """Name to log in with."""
    password: Secret
    """Password to log in with."""
    insecure_plaintext: bool = False
    """Send a PLAIN password without TLS."""


class Connection(Settings):
    """How to reach a Kafka cluster."""

    servers: Annotated[list[str], Field(min_length=1)]
    """Brokers to ask first, each ``host:port``."""
    tls: Tls | bool = False
    """Transport security: ``true`` trusts the authorities of the system."""
    sasl: Sasl | None = None
    """Credentials; none for a listener without them."""

    def addresses(self, topics: Sequence[str]) -> tuple[str, ...]:
        """Topics as URIs, one per server: two sides that share a server may share a topic."""
        return tuple(f"kafka://{server}/{topic}" for server in self.servers for topic in topics)

    @field_validator("servers")
    @classmethod
    def _check_addresses(cls, servers: list[str]) -> list[str]:
        for server in servers:
            match = _SERVER(server)
            if match is None or not 1 <= int(match[1]) <= 65535:
                raise ValueError("each server needs a host and a port, such as localhost:9092")
        return servers

    @model_validator(mode="after")
    def _password_covered(self) -> "Connection":
        sasl = self.sasl
        if sasl and sasl.mechanism == "PLAIN" and not self.tls and not sasl.insecure_plaintext:
            raise ValueError(
                "SASL PLAIN without tls shows the password to the wire; set tls: true, "
                "or sasl.insecure_plaintext: true"
            )
        return self


class KafkaSource(EnvelopeSource, Connection):
    """Reads topics as a member of a consumer group."""

    topics: Annotated[list[str], Field(min_length=1)]
    """Topics to read: names, globs with ``*``, or regular expressions of the client that start
    with ``^``. Globs and expressions never match the internal topics that start with ``__``, and
    take in topics made later."""
    group: Annotated[str, Field(min_length=1, max_length=249)]
    """Consumer group: its members share the partitions, and the brokers keep its positions."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a partition without a committed position begins. A committed position that is gone
    stops the lane instead."""
    batch: Count = 500
    """Records handed on together at most."""
    instance: Annotated[str, Field(min_length=1, max_length=249)] | None = None
    """Name of this member, unique in its group: a restart then keeps its partitions."""
    options: dict[str, Option] = Field(default_factory=dict)
    """Further options of the client library, from a list of those that are safe to change."""

    @field_validator("topics")
    @classmethod
    def _subscriptions(cls, topics: list[str]) -> list[str]:
        for topic in topics:
            if topic.startswith("^"):
                re.compile(topic)
            elif topic in (".", "..") or not _GLOB(topic):
                raise ValueError(
                    f"{topic[:60]!r} is no topic: letters, digits, '.', '_', '-', and '*' as a glob"
                )
        return topics

    @field_validator("options")
    @classmethod
    def _listed(cls, options: dict[str, Option]) -> dict[str, Option]:
        return refuse_unlisted(options, CONSUMER)

    @property
    def reads(self) -> tuple[str, ...]:
        """What it reads, as URIs: one per server and topic, globs and expressions as written."""
        return self.addresses(self.topics)

    @property
    def consumer(self) -> str:
        """Whom it shares partitions with: each member of a group gets a part of them."""
        return self.group


class KafkaSink(EnvelopeSink, Connection):
    """Writes to a topic, and counts an event as written when every in-sync replica has it."""

    topic: Annotated[str, Field(min_length=1)]
    """Topic to write to; ``{{ ... }}`` computes it from the event."""
    key_from: Literal["transport", "partitionkey", "subject", "source_id", "none"] = "transport"
    """What becomes the record key. ``transport`` keeps the key a record came with, and falls back to
    the attribute ``partitionkey``."""
    options: dict[str, Option] = Field(default_factory=dict)
    """Further options of the client library, from a list of those that are safe to change."""

    @field_validator("topic")
    @classmethod
    def _nameable(cls, topic: str) -> str:
        if not is_template(topic) and not is_topic(topic):
            raise ValueError(f"{topic[:60]!r} is no topic: letters, digits, '.', '_' and '-'")
        return topic

    @field_validator("options")
    @classmethod
    def _listed(cls, options: dict[str, Option]) -> dict[str, Option]:
        return refuse_unlisted(options, PRODUCER)

    @property
    def writes(self) -> tuple[str, ...]:
        """What it writes to, as URIs: one per server; a computed topic as it is written."""
        return self.addresses([self.topic])


def is_topic(name: str) -> bool:
    """Whether Kafka takes this as the name of a topic."""
    return _NAME(name) is not None and name not in (".", "..")

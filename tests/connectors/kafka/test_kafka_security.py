"""Who is let in, who is not, and how soon one knows why."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from eventspan import ConfigError, EventspanError, Halted, NotConnected
from eventspan.context import Context
from eventspan.endpoint import Endpoint
from eventspan.testing import Guarded, numbered
from eventspan_connectors.kafka.config import KafkaSink, KafkaSource
from eventspan_connectors.kafka.sink import Sink
from eventspan_connectors.kafka.source import Source
from harness.kafka import KafkaServer, SecureListener
from harness.kafka.ends import put, reading, take, writing
from harness.kafka.topics import make_topic

pytestmark = pytest.mark.broker("kafka")

SECS = 10.0
"""How soon a refusal must be known."""
SIDES = pytest.mark.parametrize("side", [reading, writing])
ROUTE = {"read": (ResourceType.TOPIC, AclOperation.READ), "write": (ResourceType.TOPIC, AclOperation.WRITE),
         "group": (ResourceType.GROUP, AclOperation.READ)}  # fmt: skip


@pytest.fixture
def server(own: Any) -> KafkaServer:
    found: KafkaServer = own.server
    return found


def login(listener: SecureListener, user: str, password: str | None = None) -> dict[str, Any]:
    """The settings of a connection as this user."""
    known = {**listener.plain, **listener.scram}
    mechanism = "SCRAM-SHA-256" if user in listener.scram else "PLAIN"
    sasl = {"mechanism": mechanism, "username": user, "password": password or known[user]}
    return {"sasl": sasl, "tls": {"ca": str(listener.authority)}}


def permit(server: KafkaServer, user: str, **names: str) -> None:
    """Let a user read or write a topic, or read in a group."""
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    bindings = [
        AclBinding(
            ROUTE[what][0], name, ResourcePatternType.LITERAL, f"User:{user}", "*", ROUTE[what][1],
            AclPermissionType.ALLOW,
        )
        for what, name in names.items()
    ]  # fmt: skip
    for future in admin.create_acls(bindings).values():
        future.result(10)


async def refused(side: Any, listener: str, topic: str, **settings: Any) -> EventspanError:
    """What connecting, or the first use, raises."""

    async def use() -> None:
        async with asyncio.timeout(SECS), side(listener, topic, **settings) as endpoint:
            await (endpoint.read() if isinstance(endpoint, Source) else endpoint.write(numbered(1), []))

    with pytest.raises(EventspanError) as caught:
        await use()
    assert caught.value.help
    return caught.value


@pytest.mark.parametrize("user", ["alice", "dora"], ids=["PLAIN", "SCRAM"])
async def test_the_right_password_works_both_ways(server: KafkaServer, place: str, user: str) -> None:
    topic, secure = make_topic(server.bootstrap, place), server.secure
    permit(server, user, read=topic, write=topic, group=f"{topic}-group")
    await put(secure.bootstrap, topic, numbered(3), **login(secure, user))
    async with reading(secure.bootstrap, topic, **login(secure, user)) as source:
        assert [event.id for event in await take(source, 3)] == ["0", "1", "2"]


@SIDES
@pytest.mark.parametrize("user", ["alice", "dora"], ids=["PLAIN", "SCRAM"])
async def test_a_wrong_password_halts(server: KafkaServer, place: str, user: str, side: Any) -> None:
    topic, secure = make_topic(server.bootstrap, place), server.secure
    error = await refused(side, secure.bootstrap, topic, **login(secure, user, "wrong-password"))
    assert isinstance(error, Halted)
    assert secure.bootstrap in str(error)
    assert "sasl.password" in (error.help or "")
    assert "wrong-password" not in f"{error} {error.help}"


@SIDES
async def test_a_topic_without_permission_is_named(server: KafkaServer, place: str, side: Any) -> None:
    topic, secure = make_topic(server.bootstrap, place), server.secure
    permit(server, "bob", group=f"{topic}-group")
    error = await refused(side, secure.bootstrap, topic, **login(secure, "bob"))
    assert isinstance(error, Halted)
    assert topic in str(error)


async def test_a_group_without_permission_is_named(server: KafkaServer, place: str) -> None:
    topic, secure = make_topic(server.bootstrap, place), server.secure
    permit(server, "bob", read=topic)
    error = await refused(reading, secure.bootstrap, topic, **login(secure, "bob"))
    assert isinstance(error, Halted)
    assert f"{topic}-group" in str(error)


async def test_a_topic_that_may_only_be_read_is_not_written(server: KafkaServer, place: str) -> None:
    topic, secure = make_topic(server.bootstrap, place), server.secure
    permit(server, "bob", read=topic)
    error = await refused(writing, secure.bootstrap, topic, **login(secure, "bob"))
    assert isinstance(error, Halted)
    assert f"topic {topic}" in str(error)
    assert "WRITE" in (error.help or "")


@SIDES
async def test_an_unknown_authority_halts(server: KafkaServer, place: str, side: Any) -> None:
    settings = {**login(server.secure, "alice"), "tls": True}
    error = await refused(side, server.secure.bootstrap, place, **settings)
    assert isinstance(error, Halted)
    assert server.secure.bootstrap in str(error)
    assert "tls.ca" in (error.help or "")


@SIDES
async def test_a_missing_authority_is_a_wrong_setting(
    server: KafkaServer, place: str, side: Any, tmp_path: Path
) -> None:
    settings = {**login(server.secure, "alice"), "tls": {"ca": str(tmp_path / "none.pem")}}
    error = await refused(side, server.secure.bootstrap, place, **settings)
    assert isinstance(error, ConfigError)


@SIDES
async def test_a_client_without_tls_is_told(server: KafkaServer, place: str, side: Any) -> None:
    error = await refused(side, server.secure.bootstrap, place)
    assert isinstance(error, NotConnected)
    assert server.secure.bootstrap in str(error)
    assert "TLS" in (error.help or "")


class TestIntruders(Guarded):
    """The conformance kit where credentials are wanted."""

    secret = "not-the-password"

    @pytest.fixture(autouse=True, params=["source", "sink"])
    def _side(self, server: KafkaServer, place: str, request: pytest.FixtureRequest) -> None:
        self.side = request.param
        self.topic = make_topic(server.bootstrap, place)
        self.settings = {
            "servers": [server.secure.bootstrap],
            **login(server.secure, "alice", self.secret),
        }

    def make_intruder(self) -> Endpoint:
        if self.side == "sink":
            return Sink(KafkaSink.model_validate({**self.settings, "topic": self.topic}), Context())
        given = {**self.settings, "topics": [self.topic], "group": self.topic}
        return Source(KafkaSource.model_validate(given), Context())

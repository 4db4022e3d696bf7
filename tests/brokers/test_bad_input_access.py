"""Wrong passwords, missing targets, refused permissions: named with their side; nothing lost once mended."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from harness.answer import canary
from harness.faulty import EVENTS, INPUT, OUTPUT, bridge, drained, halts, read_ids, write_events
from harness.kafka import KafkaAddress, SecureListener, make_topic
from harness.rabbitmq import Management, RabbitAddress

pytestmark = [pytest.mark.broker("kafka"), pytest.mark.broker("rabbitmq")]
IDS = [str(event["id"]) for event in EVENTS]
Settings = dict[str, Any]


@pytest.fixture
def secure(kafka: KafkaAddress) -> SecureListener:
    if kafka.secure is None:
        pytest.skip("needs a listener with SASL, TLS and ACLs")
    return kafka.secure


@pytest.fixture
def management(rabbitmq: RabbitAddress) -> Management:
    if rabbitmq.management is None:
        pytest.skip("needs the management API")
    return rabbitmq.management


def login(secure: SecureListener, password: str | None = None) -> Settings:
    """What a side says to log in as alice."""
    word = secure.plain["alice"] if password is None else password
    return {
        "type": "kafka", "servers": [secure.bootstrap], "tls": {"ca": str(secure.authority)},
        "sasl": {"mechanism": "PLAIN", "username": "alice", "password": word},
    }  # fmt: skip


def grant(kafka: KafkaAddress, kind: ResourceType, name: str, *operations: AclOperation) -> None:
    """Let alice do something with a topic or group."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    acls = [
        AclBinding(
            kind, name, ResourcePatternType.LITERAL, "User:alice", "*", operation, AclPermissionType.ALLOW
        )
        for operation in operations
    ]
    for future in admin.create_acls(acls).values():
        future.result(10)


def allow_reading(kafka: KafkaAddress, place: str) -> None:
    grant(kafka, ResourceType.TOPIC, place, AclOperation.READ)
    grant(kafka, ResourceType.GROUP, place, AclOperation.READ)


def produce(kafka: KafkaAddress, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for event in EVENTS:
        producer.produce(topic, json.dumps(event), headers={"content-type": "application/cloudevents+json"})
    assert producer.flush(10) == 0


def ids_in_topic(folder: Path, kafka: KafkaAddress, topic: str) -> list[str]:
    source = {"type": "kafka", "servers": [kafka.bootstrap], "topics": [topic], "group": f"{topic}-check"}
    drained(folder, bridge(folder, source, OUTPUT))
    return read_ids(folder)


class TestKafkaSource:
    """The side that reads a topic, as alice."""

    def source(self, place: str, **more: Any) -> Settings:
        return {"topics": [place], "group": place, **more}

    def test_wrong_password(
        self, kafka: KafkaAddress, secure: SecureListener, place: str, tmp_path: Path
    ) -> None:
        make_topic(kafka.bootstrap, place)
        produce(kafka, place)
        allow_reading(kafka, place)
        wrong, right = canary(), secure.plain["alice"]
        path = bridge(tmp_path, self.source(place, **login(secure, wrong)), OUTPUT)
        words = ("refuse the credentials", "check sasl.username and sasl.password")
        halts(tmp_path, path, "source", *words, secrets=[wrong, right])
        drained(tmp_path, bridge(tmp_path, self.source(place, **login(secure)), OUTPUT))
        assert read_ids(tmp_path) == IDS

    def test_unknown_topic(self, kafka: KafkaAddress, place: str, tmp_path: Path) -> None:
        settings = self.source(place, type="kafka", servers=[kafka.bootstrap])
        path = bridge(tmp_path, settings, OUTPUT)
        halts(tmp_path, path, "source", f"topic {place} at ", ": the topic does not exist", "create it")
        make_topic(kafka.bootstrap, place)
        produce(kafka, place)
        drained(tmp_path, path)
        assert read_ids(tmp_path) == IDS

    @pytest.mark.parametrize("missing", ["topic", "group"])
    def test_no_permission(
        self, kafka: KafkaAddress, secure: SecureListener, place: str, tmp_path: Path, missing: str
    ) -> None:
        make_topic(kafka.bootstrap, place)
        produce(kafka, place)
        if missing == "group":
            grant(kafka, ResourceType.TOPIC, place, AclOperation.READ)
        path = bridge(tmp_path, self.source(place, **login(secure)), OUTPUT)
        secrets = [secure.plain["alice"]]
        halts(
            tmp_path,
            path,
            "source",
            f"{missing} {place} at ",
            ": no permission",
            "kafka-acls",
            secrets=secrets,
        )
        allow_reading(kafka, place)
        drained(tmp_path, path)
        assert read_ids(tmp_path) == IDS

    def test_unknown_authority(self, secure: SecureListener, place: str, tmp_path: Path) -> None:
        settings = self.source(place, **{**login(secure), "tls": True})
        path = bridge(tmp_path, settings, OUTPUT)
        secrets = [secure.plain["alice"]]
        halts(
            tmp_path,
            path,
            "source",
            f"TLS with {secure.bootstrap} is refused",
            "check tls.ca",
            secrets=secrets,
        )


class TestKafkaSink:
    """The side that writes a topic, as alice."""

    @pytest.fixture(autouse=True)
    def _waiting(self, tmp_path: Path) -> None:
        write_events(tmp_path)

    def test_wrong_password(
        self, kafka: KafkaAddress, secure: SecureListener, place: str, tmp_path: Path
    ) -> None:
        make_topic(kafka.bootstrap, place)
        grant(kafka, ResourceType.TOPIC, place, AclOperation.WRITE)
        wrong, right = canary(), secure.plain["alice"]
        path = bridge(tmp_path, INPUT, {"topic": place, **login(secure, wrong)})
        words = ("refuse the credentials", "check sasl.username and sasl.password")
        halts(tmp_path, path, "sinks.sink", *words, secrets=[wrong, right])
        drained(tmp_path, bridge(tmp_path, INPUT, {"topic": place, **login(secure)}))
        assert ids_in_topic(tmp_path, kafka, place) == IDS

    def test_unknown_topic(self, kafka: KafkaAddress, place: str, tmp_path: Path) -> None:
        path = bridge(tmp_path, INPUT, {"type": "kafka", "servers": [kafka.bootstrap], "topic": place})
        halts(tmp_path, path, "sinks.sink", f"topic {place} at ", ": the topic does not exist", "create it")
        make_topic(kafka.bootstrap, place)
        drained(tmp_path, path)
        assert ids_in_topic(tmp_path, kafka, place) == IDS

    @pytest.mark.parametrize("visible", [False, True], ids=["hidden", "visible"])
    def test_no_permission(
        self, kafka: KafkaAddress, secure: SecureListener, place: str, tmp_path: Path, visible: bool
    ) -> None:
        make_topic(kafka.bootstrap, place)
        if visible:
            grant(kafka, ResourceType.TOPIC, place, AclOperation.DESCRIBE)
        path = bridge(tmp_path, INPUT, {"topic": place, **login(secure)})
        secrets = [secure.plain["alice"]]
        halts(
            tmp_path,
            path,
            "sinks.sink",
            f"topic {place} at ",
            ": no permission",
            "kafka-acls",
            secrets=secrets,
        )
        grant(kafka, ResourceType.TOPIC, place, AclOperation.WRITE)
        drained(tmp_path, path)
        assert ids_in_topic(tmp_path, kafka, place) == IDS


@pytest.fixture
def user(management: Management, place: str) -> Iterator[tuple[str, str]]:
    """A user of RabbitMQ who may do nothing, and a password that wants quoting everywhere."""
    word = f"{canary()}%2f@:/${{A}}'\"é🔑"
    management.make_user(place, word)
    management.permit(place, configure="", write="", read="")
    yield place, word
    management.delete_user(place)


def declared(rabbitmq: RabbitAddress, queue: str, *bodies: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        for body in bodies:
            properties = pika.BasicProperties(delivery_mode=2, content_type="application/cloudevents+json")
            channel.basic_publish("", queue, body, properties)


def bodies() -> list[bytes]:
    return [json.dumps(event).encode() for event in EVENTS]


def amqp(rabbitmq: RabbitAddress, user: str, password: str, vhost: str = "/") -> Settings:
    """What a side says to log in; the password stands in the URL."""
    return {"type": "amqp", "url": rabbitmq.url_of(user, password, vhost).replace("$", "%24")}


def ids_in_queue(folder: Path, rabbitmq: RabbitAddress, queue: str) -> list[str]:
    drained(
        folder, bridge(folder, {"type": "amqp", "url": rabbitmq.url, "queue": queue, "idle": "500ms"}, OUTPUT)
    )
    return read_ids(folder)


class TestAmqpSource:
    """The side that reads a queue."""

    def test_wrong_password(
        self,
        rabbitmq: RabbitAddress,
        user: tuple[str, str],
        management: Management,
        place: str,
        tmp_path: Path,
    ) -> None:
        declared(rabbitmq, place, *bodies())
        management.permit(place)
        wrong = canary()
        path = bridge(tmp_path, {**amqp(rabbitmq, place, wrong), "queue": place}, OUTPUT)
        words = (f"refused user '{place}'", "check the user and the password")
        halts(tmp_path, path, "source", *words, secrets=[wrong, user[1][:38]])
        drained(tmp_path, bridge(tmp_path, {**amqp(rabbitmq, *user), "queue": place}, OUTPUT))
        assert read_ids(tmp_path) == IDS

    def test_unknown_virtual_host(
        self, rabbitmq: RabbitAddress, user: tuple[str, str], place: str, tmp_path: Path
    ) -> None:
        path = bridge(tmp_path, {**amqp(rabbitmq, *user, vhost=place), "queue": place}, OUTPUT)
        halts(tmp_path, path, "source", f"refused virtual host '{place}'", "exist", secrets=[user[1][:38]])

    def test_unknown_queue(self, rabbitmq: RabbitAddress, place: str, tmp_path: Path) -> None:
        path = bridge(tmp_path, {"type": "amqp", "url": rabbitmq.url, "queue": place}, OUTPUT)
        halts(tmp_path, path, "source", f"no queue '{place}'")
        declared(rabbitmq, place, *bodies())
        drained(tmp_path, path)
        assert read_ids(tmp_path) == IDS

    def test_no_permission(
        self,
        rabbitmq: RabbitAddress,
        user: tuple[str, str],
        management: Management,
        place: str,
        tmp_path: Path,
    ) -> None:
        declared(rabbitmq, place, *bodies())
        path = bridge(tmp_path, {**amqp(rabbitmq, *user), "queue": place}, OUTPUT)
        halts(tmp_path, path, "source", place, "refused", secrets=[user[1][:38]])
        management.permit(place, configure="", write="", read=".*")
        drained(tmp_path, path)
        assert read_ids(tmp_path) == IDS


class TestAmqpSink:
    """The side that writes to an exchange."""

    @pytest.fixture(autouse=True)
    def _waiting(self, tmp_path: Path) -> None:
        write_events(tmp_path)

    def test_wrong_password(
        self,
        rabbitmq: RabbitAddress,
        user: tuple[str, str],
        management: Management,
        place: str,
        tmp_path: Path,
    ) -> None:
        declared(rabbitmq, place)
        management.permit(place)
        wrong = canary()
        path = bridge(tmp_path, INPUT, {**amqp(rabbitmq, place, wrong), "routing_key": place})
        words = (f"refused user '{place}'", "check the user and the password")
        halts(tmp_path, path, "sinks.sink", *words, secrets=[wrong, user[1][:38]])
        drained(tmp_path, bridge(tmp_path, INPUT, {**amqp(rabbitmq, *user), "routing_key": place}))
        assert ids_in_queue(tmp_path, rabbitmq, place) == IDS

    def test_unknown_exchange(self, rabbitmq: RabbitAddress, place: str, tmp_path: Path) -> None:
        sink = {"type": "amqp", "url": rabbitmq.url, "exchange": place, "routing_key": "k"}
        path = bridge(tmp_path, INPUT, sink)
        halts(tmp_path, path, "sinks.sink", f"no exchange '{place}'")
        declared(rabbitmq, place)
        with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
            channel = connection.channel()
            channel.exchange_declare(place, durable=True)
            channel.queue_bind(place, place, "k")
        drained(tmp_path, path)
        assert ids_in_queue(tmp_path, rabbitmq, place) == IDS

    def test_no_permission(
        self,
        rabbitmq: RabbitAddress,
        user: tuple[str, str],
        management: Management,
        place: str,
        tmp_path: Path,
    ) -> None:
        declared(rabbitmq, place)
        path = bridge(tmp_path, INPUT, {**amqp(rabbitmq, *user), "routing_key": place})
        halts(tmp_path, path, "sinks.sink", "refused", secrets=[user[1][:38]])
        management.permit(place, configure="", write=".*", read="")
        drained(tmp_path, path)
        assert ids_in_queue(tmp_path, rabbitmq, place) == IDS

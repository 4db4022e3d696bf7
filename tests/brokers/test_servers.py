"""The real servers start, survive kill -9 with what they confirmed, and come back on the same data."""

import ssl
import uuid

import pika
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

from harness.kafka import KafkaAddress, KafkaServer, make_topic
from harness.rabbitmq import RabbitAddress, RabbitServer


def _produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
    errors: list[object] = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _message: errors.append(error))
    assert producer.flush(20.0) == 0
    assert errors == [None] * len(values)


def _read(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return [message.value() for message in consumer.consume(count, timeout=20.0)]
    finally:
        consumer.close()


@pytest.mark.broker("kafka")
def test_shared_kafka_carries_what_was_produced(kafka: KafkaAddress, place: str) -> None:
    topic = make_topic(kafka.bootstrap, place)
    _produce(kafka.bootstrap, topic, [b"one", b"two"])
    assert _read(kafka.bootstrap, topic, 2) == [b"one", b"two"]


@pytest.mark.broker("kafka")
def test_kafka_keeps_confirmed_records_over_kill_9(kafka_own: KafkaServer, place: str) -> None:
    topic = make_topic(kafka_own.bootstrap, place)
    _produce(kafka_own.bootstrap, topic, [b"kept"])
    kafka_own.kill9()
    kafka_own.start()
    assert _read(kafka_own.bootstrap, topic, 1) == [b"kept"]


def _publish(url: str, queue: str, body: bytes) -> None:
    """Declare a durable queue and have one persistent message confirmed."""
    with _connection(url) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2))


def _get(url: str, queue: str) -> bytes | None:
    with _connection(url) as connection:
        body: bytes | None = connection.channel().basic_get(queue, auto_ack=True)[2]
        return body


def _connection(url: str) -> pika.BlockingConnection:
    return pika.BlockingConnection(pika.URLParameters(url))


@pytest.mark.broker("rabbitmq")
def test_shared_rabbitmq_carries_what_was_published(rabbitmq: RabbitAddress, place: str) -> None:
    _publish(rabbitmq.url, place, b"one")
    assert _get(rabbitmq.url, place) == b"one"


@pytest.mark.broker("rabbitmq")
def test_rabbitmq_keeps_confirmed_messages_over_kill_9(rabbitmq_own: RabbitServer, place: str) -> None:
    _publish(rabbitmq_own.url, place, b"kept")
    rabbitmq_own.sync_definitions()
    rabbitmq_own.kill9()
    rabbitmq_own.start()
    assert _get(rabbitmq_own.url, place) == b"kept"


@pytest.mark.broker("rabbitmq")
def test_rabbitmq_offers_tls(rabbitmq_own: RabbitServer) -> None:
    trusted = ssl.create_default_context(cafile=str(rabbitmq_own.authority))
    parameters = pika.URLParameters(rabbitmq_own.tls_url)
    parameters.ssl_options = pika.SSLOptions(trusted, "localhost")
    with pika.BlockingConnection(parameters) as connection:
        assert connection.is_open


@pytest.mark.broker("rabbitmq")
def test_rabbitmq_closes_its_connections_on_request(rabbitmq_own: RabbitServer) -> None:
    connection = _connection(rabbitmq_own.url)
    rabbitmq_own.close_connections()
    with pytest.raises(ConnectionClosedByBroker) as closed:
        connection.process_data_events(5)
    assert closed.value.reply_code == 320


@pytest.mark.broker("rabbitmq")
def test_rabbitmq_raises_and_clears_the_memory_alarm(rabbitmq_own: RabbitServer) -> None:
    rabbitmq_own.set_memory_alarm()
    raised = rabbitmq_own.management.is_alarmed()
    rabbitmq_own.clear_memory_alarm()
    assert raised
    assert not rabbitmq_own.management.is_alarmed()


@pytest.mark.broker("rabbitmq")
def test_a_user_without_rights_may_connect_and_publish_nothing(
    rabbitmq_own: RabbitServer, place: str
) -> None:
    rabbitmq_own.management.make_user(place, "secret")
    rabbitmq_own.management.permit(place, configure="", write="", read="")
    url = rabbitmq_own.address.url_of(place, "secret")
    with pytest.raises(ChannelClosedByBroker) as refused:
        _publish(url, place, b"no")
    assert refused.value.reply_code == 403


@pytest.mark.broker("kafka")
@pytest.mark.parametrize("user", ["admin", "dora"])
def test_kafka_lets_known_users_in(kafka_own: KafkaServer, user: str) -> None:
    """By PLAIN and by SCRAM-SHA-256."""
    admin = AdminClient(kafka_own.secure.client_settings(user))
    assert list(admin.list_topics(timeout=10.0).brokers) == [1]


@pytest.mark.broker("kafka")
def test_kafka_refuses_a_topic_without_an_acl(kafka_own: KafkaServer, place: str) -> None:
    topic = make_topic(kafka_own.bootstrap, place)
    errors: list[KafkaError | None] = []
    producer = Producer({**kafka_own.secure.client_settings("alice"), "message.timeout.ms": 10_000})
    producer.produce(topic, b"x", on_delivery=lambda error, _message: errors.append(error))
    producer.flush(15.0)
    assert [error and error.code() for error in errors] == [KafkaError.TOPIC_AUTHORIZATION_FAILED]

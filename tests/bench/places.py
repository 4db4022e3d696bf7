"""Topics and queues of the benchmark: made, filled and counted by clients that are not ours."""

from collections.abc import Callable

import pika
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from bench.events import BODY, amqp_headers, kafka_headers, key
from harness.kafka.topics import make_topic

PARTITIONS = 4


def fill_topic(servers: str, topic: str, count: int) -> None:
    """Make a topic and write ``count`` events to it."""
    make_topic(servers, topic, PARTITIONS)
    producer = Producer(
        {"bootstrap.servers": servers, "linger.ms": 20, "queue.buffering.max.messages": 200_000}
    )
    for number in range(count):
        while True:
            try:
                producer.produce(topic, BODY, key(number), headers=kafka_headers(number))
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise RuntimeError("the topic was not filled in time")


def topic_size(servers: str, topic: str) -> Callable[[], int]:
    """Counts the records of a topic by its end offsets."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench-watch"})
    partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]

    def size() -> int:
        return sum(end(partition) for partition in partitions)

    def end(partition: TopicPartition) -> int:
        while True:
            try:
                return int(consumer.get_watermark_offsets(partition, timeout=10, cached=False)[1])
            except KafkaException as error:
                # A topic that has just been made is known to its leader a little later.
                if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                    raise

    return size


def make_queue(url: str, queue: str) -> None:
    """Make a durable queue."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(queue, durable=True)


def fill_queue(url: str, queue: str, count: int) -> None:
    """Make a durable queue and publish ``count`` persistent events to it."""
    make_queue(url, queue)
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    for number in range(count):
        properties = pika.BasicProperties(
            content_type="application/json", delivery_mode=2, headers=dict(amqp_headers(number))
        )
        channel.basic_publish("", queue, BODY, properties)
    size = queue_size(url, queue)
    while size() < count:
        connection.sleep(0.1)
    connection.close()


def queue_size(url: str, queue: str) -> Callable[[], int]:
    """Counts the messages that are ready in a queue."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()

    def size() -> int:
        return int(channel.queue_declare(queue, passive=True).method.message_count)

    return size

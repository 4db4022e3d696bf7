"""What a topic is like before anything is written to it: there, writable, its limits."""

from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from eventspan.errors import Halted
from eventspan.settings import is_template
from eventspan_connectors.kafka import options
from eventspan_connectors.kafka.config import KafkaSink
from eventspan_connectors.kafka.errors import explained, unusable
from eventspan_connectors.kafka.lookup import known, reach

ANSWER_SECS = 10.0
MAX_BYTES = 100_000_000
BATCH_BYTES = 1_000_000


class Limits(NamedTuple):
    """What the brokers take, as far as they tell."""

    max_bytes: int | None = None
    """Largest batch the topic takes; None when nobody may say."""
    compacted: bool = False
    """A record without a key is refused."""

    def options(self) -> dict[str, Any]:
        """Let the brokers judge sizes: a batch is never larger than a record may be."""
        if self.max_bytes is None:
            return {"message.max.bytes": MAX_BYTES, "batch.size": BATCH_BYTES}
        largest = max(1000, min(MAX_BYTES, self.max_bytes))
        return {"message.max.bytes": MAX_BYTES, "batch.size": min(BATCH_BYTES, largest)}


def inspect(settings: KafkaSink) -> Limits:
    """Reach the cluster and look at the topic; raises ``Halted`` and ``NotConnected``."""
    heard: list[KafkaError] = []
    try:
        admin = AdminClient(options.connection(settings, heard.append))
    except (KafkaException, ValueError) as error:
        raise unusable(error) from error
    reach(admin, heard, settings.servers)
    if is_template(settings.topic):
        return Limits()
    try:
        _writable(admin, settings)
    except (KafkaException, TimeoutError) as error:
        admin.poll(0)  # where the client says what it has heard of its brokers
        raise explained(known(error), heard, f"topic {settings.topic}", settings.servers) from error
    return _limits(admin, settings.topic)


def _writable(admin: AdminClient, settings: KafkaSink) -> None:
    topic = settings.topic
    asked = admin.describe_topics(
        TopicCollection([topic]), include_authorized_operations=True, request_timeout=ANSWER_SECS
    )
    allowed = asked[topic].result(ANSWER_SECS).authorized_operations
    if allowed and AclOperation.WRITE not in allowed and AclOperation.ALL not in allowed:
        where = ", ".join(settings.servers)
        raise Halted(f"topic {topic} at {where}: no permission to write", help="grant WRITE with kafka-acls")


def _limits(admin: AdminClient, topic: str) -> Limits:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    asked = admin.describe_configs([resource], request_timeout=ANSWER_SECS)
    try:
        found = asked[resource].result(ANSWER_SECS)
        return Limits(int(found["max.message.bytes"].value), "compact" in found["cleanup.policy"].value)
    except (KafkaException, TimeoutError):
        return Limits()  # describing a topic needs a permission that writing to it does not

"""A real Apache Kafka as a local process: one node, KRaft, broker and controller in one JVM."""

from harness.kafka.address import KafkaAddress, SecureListener
from harness.kafka.server import VERSION, KafkaServer
from harness.kafka.topics import make_topic

__all__ = ["VERSION", "KafkaAddress", "KafkaServer", "SecureListener", "make_topic"]

"""The events that are copied: 1 KiB of JSON, a key, four attributes and their content type."""

import json

BODY = json.dumps({"order": "o-1", "customer": "c-42", "note": "x" * 960}).encode().ljust(1024)
KEYS = 1000


def attributes(number: int) -> dict[str, str]:
    """The CloudEvents attributes of one event."""
    return {
        "specversion": "1.0",
        "id": f"{number:012d}",
        "source": "/shop/eu",
        "type": "com.example.order.created",
    }


def key(number: int) -> bytes:
    """The record key of one event."""
    return b"key-%d" % (number % KEYS)


def kafka_headers(number: int) -> list[tuple[str, str | bytes | None]]:
    """Headers of the binary mode on Kafka."""
    headers: list[tuple[str, str | bytes | None]] = [
        (f"ce_{name}", value.encode()) for name, value in attributes(number).items()
    ]
    return [*headers, ("content-type", b"application/json")]


def amqp_headers(number: int) -> dict[str, str]:
    """Headers of the binary mode on RabbitMQ."""
    return {f"ce-{name}": value for name, value in attributes(number).items()}

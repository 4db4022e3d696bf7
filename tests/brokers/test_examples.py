"""examples/kafka-rabbitmq, typed as its page says: kcat reads at the end what kcat wrote at the start."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest

from harness.documents import ROOT, blocks, shell
from harness.kafka import KafkaAddress, make_topic
from harness.rabbitmq import RabbitAddress

FOLDER = ROOT / "examples" / "kafka-rabbitmq"

pytestmark = [pytest.mark.broker("kafka"), pytest.mark.broker("rabbitmq")]


class Walk:
    """The page's commands under names nobody else uses."""

    def __init__(self, folder: Path, kafka: KafkaAddress, rabbitmq: RabbitAddress, place: str) -> None:
        self.folder, self.kafka, self.rabbitmq, self.place = folder, kafka, rabbitmq, place
        for name in ("forward.yaml", "back.yaml"):
            (folder / name).write_text(self._renamed((FOLDER / name).read_text()))
        self.write, self.forward, self.look, self.back = map(
            self._renamed, blocks(FOLDER / "README.md", "sh")
        )

    def _renamed(self, text: str) -> str:
        # Values keep their "order.created": only the plural is a name of a topic, a queue or a group.
        return text.replace("orders", self.place).replace("localhost:9092", self.kafka.bootstrap)

    def run(self, script: str) -> str:
        variables = {"KAFKA_SERVERS": self.kafka.bootstrap, "RABBITMQ_URL": self.rabbitmq.url}
        return shell(script, self.folder, variables).stdout

    def read(self, topic: str) -> list[dict[str, Any]]:
        """What kcat sees, headers in any order."""
        lines = self.run(f"kcat -C -q -e -J -b {self.kafka.bootstrap} -t {topic}").splitlines()
        return [self.seen(json.loads(line)) for line in lines]

    @staticmethod
    def seen(record: dict[str, Any]) -> dict[str, Any]:
        flat = record["headers"]
        headers = sorted(zip(flat[::2], flat[1::2], strict=True))
        return {"key": record["key"], "payload": record["payload"], "ts": record["ts"], "headers": headers}


@pytest.fixture
def walk(tmp_path: Path, kafka: KafkaAddress, rabbitmq: RabbitAddress, place: str) -> Iterator[Walk]:
    if shutil.which("kcat") is None:
        pytest.skip("kcat is missing")
    for topic in (place, f"{place}.back"):
        make_topic(kafka.bootstrap, topic)
    yield Walk(tmp_path, kafka, rabbitmq, place)
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        for queue in (place, f"{place}.dead"):
            channel.queue_delete(queue)


def test_what_kcat_wrote_comes_back_to_kcat(walk: Walk) -> None:
    walk.run(walk.write)
    written = walk.read(walk.place)
    assert [record["payload"] for record in written] == [
        '{"order_id": "eu-1",  "amount": 5.10}', '{"order_id": "eu-1",  "paid": true}',
    ]  # fmt: skip
    walk.run(walk.forward)
    _check_queue(walk)
    lines = walk.run(walk.back).splitlines()
    assert [walk.seen(json.loads(line)) for line in lines] == written


def _check_queue(walk: Walk) -> None:
    """What a client of RabbitMQ sees between the two bridges."""
    with pika.BlockingConnection(pika.URLParameters(walk.rabbitmq.url)) as connection:
        _, properties, body = connection.channel().basic_get(walk.place)
    assert body == b'{"order_id": "eu-1",  "amount": 5.10}'
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    headers = {name: value for name, value in properties.headers.items() if name.startswith("ce-")}
    assert headers == {
        "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "order.created",
        "ce-time": "2026-05-04T10:00:00.120Z",
    }  # fmt: skip
    assert properties.headers["eventspan-key"] == b"customer-7"
    assert properties.headers["region"] == "eu"


def test_the_queue_is_seen_by_the_tool_of_the_broker(walk: Walk) -> None:
    management = walk.rabbitmq.management
    if management is None or shutil.which("rabbitmqadmin") is None:
        pytest.skip("rabbitmqadmin, or the management of the broker, is missing")
    walk.run(walk.write + walk.forward)
    at = urlsplit(management.url)
    login = f"rabbitmqadmin -H {at.hostname} -P {at.port} -u {at.username} -p {at.password}"
    messages = json.loads(walk.run(walk.look.replace("rabbitmqadmin", login, 1)))
    assert [message["properties"]["headers"]["ce-id"] for message in messages] == ["1", "2"]

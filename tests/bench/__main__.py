"""Prints, in one run and alternating, a bridge beside the bare loop it is measured against."""

import argparse
import statistics
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench import places, watch
from harness.kafka import KafkaServer, make_topic
from harness.process import end_on_sigterm
from harness.rabbitmq import RabbitServer

JVM = ("-Xms512m", "-XX:+UseG1GC")
"""The second compiler is on: this is about throughput, not about a quick start."""


class Pair(NamedTuple):
    """One direction: how to prepare it, and the two ways to copy it."""

    name: str
    events: int
    bridge: Callable[[], tuple[list[str], Callable[[], int]]]
    bare: Callable[[], tuple[list[str], Callable[[], int]]]
    rate_bar: float
    cpu_bar: float


class Bench:
    """Two Kafka brokers, one RabbitMQ, and a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = KafkaServer(folder / "kafka-a", heap="1g", jvm=JVM)
        self.target = KafkaServer(folder / "kafka-b", heap="1g", jvm=JVM)
        self.rabbit = RabbitServer(folder / "rabbitmq")

    def start(self) -> None:
        for server in (self.source, self.target, self.rabbit):
            server.start()

    def stop(self) -> None:
        for server in (self.source, self.target, self.rabbit):
            server.stop()

    def bridge(self, source: str, sink: str) -> list[str]:
        """The command of a bridge between two ends."""
        file = self.folder / f"bridge-{uuid.uuid4().hex[:8]}.yaml"
        file.write_text(
            f"version: 1\nbridges:\n  bench:\n    source: {{{source}}}\n"
            f"    sink: {{{sink}}}\n    dead_letter: stop\n"
        )
        state = self.folder / f"state-{file.stem}"
        return [sys.executable, "-m", "eventspan_bridges", "run", str(file), "--state", str(state)]

    def bare(self, kind: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "bench.bare", kind, *arguments]

    def kafka_kafka(self, count: int) -> Pair:
        places.fill_topic(self.source.bootstrap, "kk", count)

        def target() -> str:
            topic = f"kk-{uuid.uuid4().hex[:8]}"
            make_topic(self.target.bootstrap, topic, places.PARTITIONS)
            return topic

        def bridge() -> tuple[list[str], Callable[[], int]]:
            topic = target()
            ends = _kafka_source(self.source, "kk", topic), _kafka_sink(self.target, topic)
            return self.bridge(*ends), places.topic_size(self.target.bootstrap, topic)

        def bare() -> tuple[list[str], Callable[[], int]]:
            topic = target()
            command = self.bare(
                "kafka-kafka", self.source.bootstrap, self.target.bootstrap, "kk", topic, topic
            )
            return command, places.topic_size(self.target.bootstrap, topic)

        return Pair("Kafka to Kafka", count, bridge, bare, 0.6, 9.0)

    def kafka_amqp(self, count: int) -> Pair:
        places.fill_topic(self.source.bootstrap, "ka", count)

        def target() -> str:
            queue = f"ka-{uuid.uuid4().hex[:8]}"
            places.make_queue(self.rabbit.url, queue)
            return queue

        def bridge() -> tuple[list[str], Callable[[], int]]:
            queue = target()
            sink = f'type: amqp, url: "{self.rabbit.url}", routing_key: {queue}'
            return self.bridge(_kafka_source(self.source, "ka", queue), sink), places.queue_size(
                self.rabbit.url, queue
            )

        def bare() -> tuple[list[str], Callable[[], int]]:
            queue = target()
            command = self.bare("kafka-amqp", self.source.bootstrap, self.rabbit.url, "ka", queue, queue)
            return command, places.queue_size(self.rabbit.url, queue)

        return Pair("Kafka to RabbitMQ", count, bridge, bare, 0.8, 14.0)

    def amqp_kafka(self, count: int) -> Pair:
        def prepare() -> tuple[str, str]:
            name = f"ak-{uuid.uuid4().hex[:8]}"
            places.fill_queue(self.rabbit.url, name, count)
            make_topic(self.target.bootstrap, name, places.PARTITIONS)
            return name, name

        def bridge() -> tuple[list[str], Callable[[], int]]:
            queue, topic = prepare()
            source = f'type: amqp, url: "{self.rabbit.url}", queue: {queue}'
            return self.bridge(source, _kafka_sink(self.target, topic)), places.topic_size(
                self.target.bootstrap, topic
            )

        def bare() -> tuple[list[str], Callable[[], int]]:
            queue, topic = prepare()
            command = self.bare("amqp-kafka", self.rabbit.url, self.target.bootstrap, queue, topic)
            return command, places.topic_size(self.target.bootstrap, topic)

        return Pair("RabbitMQ to Kafka", count, bridge, bare, 0.8, 14.0)


def _kafka_source(server: KafkaServer, topic: str, group: str) -> str:
    where = f'type: kafka, servers: ["{server.bootstrap}"], topics: [{topic}]'
    return f"{where}, group: bridge-{group}, start: earliest"


def _kafka_sink(server: KafkaServer, topic: str) -> str:
    return f'type: kafka, servers: ["{server.bootstrap}"], topic: {topic}'


def measure(pair: Pair, rounds: int, folder: Path) -> bool:
    """Run both alternately, print both and their ratio; whether the bars are met."""
    runs: dict[str, list[watch.Run]] = {"bare loop": [], "bridge": []}
    for number in range(rounds):
        for who, prepare in (("bare loop", pair.bare), ("bridge", pair.bridge)):
            command, arrived = prepare()
            run = watch.copy(
                command, arrived, pair.events, str(folder / f"{who.replace(' ', '-')}-{number}.log")
            )
            runs[who].append(run)
            print(
                f"{pair.name:20} {who:10} {run.rate:9,.0f}/s {run.cpu_us:6.1f} us {run.rss_mib:6.0f} MiB",
                flush=True,
            )
    rate = {who: statistics.median(run.rate for run in found) for who, found in runs.items()}
    cpu = {who: statistics.median(run.cpu_us for run in found) for who, found in runs.items()}
    ratio = rate["bridge"] / rate["bare loop"]
    met = ratio >= pair.rate_bar and cpu["bridge"] <= pair.cpu_bar
    print(
        f"{pair.name:20} ratio      {ratio:.2f} of the rate (bar {pair.rate_bar}), "
        f"{cpu['bridge']:.1f} us an event (bar {pair.cpu_bar}, bare {cpu['bare loop']:.1f}): "
        f"{'met' if met else 'NOT met'}",
        flush=True,
    )
    return met


def main() -> int:
    """Run the pairs that were asked for."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("pairs", nargs="*", default=["kafka-kafka", "kafka-amqp", "amqp-kafka"])
    parser.add_argument(
        "-n", type=int, default=600_000, help="events from Kafka to Kafka; a sixth with RabbitMQ"
    )
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    end_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="eventspan-bench-") as name:
        bench = Bench(Path(name))
        try:
            bench.start()
            makers = {
                "kafka-kafka": bench.kafka_kafka,
                "kafka-amqp": bench.kafka_amqp,
                "amqp-kafka": bench.amqp_kafka,
            }
            counts = {"kafka-kafka": chosen.n}
            results = [
                measure(makers[pair](counts.get(pair, chosen.n // 6)), chosen.rounds, Path(name))
                for pair in chosen.pairs
            ]
        finally:
            bench.stop()
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())

"""A bridge between two real ends, an oracle that watches it, and the processes that run it."""

import json
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from harness.bridge_process import BridgeProcess
from harness.kafka import make_topic
from harness.oracle import AmqpEnd, FileEnd, KafkaEnd, Oracle, Report
from harness.oracle.ends import End, Plan
from harness.oracle.report import Status

PARTITIONS = 4
SESSION_SECS = 2.0
_TRIES = 5
"""Loads sent before a machine that is too slow for them is given up."""
STALL_SECS = 4 * SESSION_SECS + 4
"""Without progress for this long, what is missing is lost: more than three session timeouts."""
_GROUP = {"session.timeout.ms": int(SESSION_SECS * 1000), "heartbeat.interval.ms": 400}
_RETRY = {"first": "50ms", "max": "500ms"}


@dataclass(frozen=True)
class Side:
    """One end of a bridge: what the bridge file says of it, and how the oracle gets at it."""

    settings: dict[str, Any]
    end: End

    def changed(self, **settings: Any) -> "Side":
        """The same end under other settings of the bridge."""
        return replace(self, settings={**self.settings, **settings})


def kafka_source(bootstrap: str, place: str, /, **more: Any) -> Side:
    """A new topic of four partitions, and a group of its own."""
    topic = make_topic(bootstrap, f"{place}-in", PARTITIONS)
    settings = {"servers": [bootstrap], "topics": [topic], "group": f"{place}-group", "options": _GROUP}
    return Side({"type": "kafka", **settings, **more}, KafkaEnd(bootstrap, topic))


def kafka_sink(bootstrap: str, place: str, /, suffix: str = "out", **more: Any) -> Side:
    """A new topic of four partitions."""
    topic = make_topic(bootstrap, f"{place}-{suffix}", PARTITIONS)
    return Side({"type": "kafka", "servers": [bootstrap], "topic": topic, **more}, KafkaEnd(bootstrap, topic))


def amqp_source(url: str, place: str, /, **more: Any) -> Side:
    """A new quorum queue."""
    queue = f"{place}-in"
    return Side({"type": "amqp", "url": url, "queue": queue, **more}, AmqpEnd(url, queue))


def amqp_sink(url: str, place: str, /, suffix: str = "out", **more: Any) -> Side:
    """A new quorum queue behind the default exchange."""
    queue = f"{place}-{suffix}"
    return Side({"type": "amqp", "url": url, "routing_key": queue, **more}, AmqpEnd(url, queue))


def file_source(folder: Path, **more: Any) -> Side:
    """A file that is followed as it grows; its positions are in the worker's own state."""
    path = folder / "events.jsonl"
    return Side({"type": "file", "path": [str(path)], "follow": True, **more}, FileEnd(str(path)))


@dataclass
class Crossing:
    """Everything of one test. Processes it started end with it."""

    folder: Path
    source: Side
    sink: Side
    dead: Side | None = None
    bridge: dict[str, Any] = field(default_factory=dict)
    """More of the bridge file, such as `delivery`."""
    keys: int = 20
    size: int = 0
    poison: int = 0
    seed: int = field(default_factory=lambda: random.randrange(2**31))
    processes: list[BridgeProcess] = field(default_factory=list)
    kills: int = 0

    def __enter__(self) -> Self:
        native = (self.source.settings["type"], self.sink.settings["type"]) == ("kafka", "kafka")
        plan = Plan(
            self.seed,
            self.source.end,
            self.sink.end,
            self.dead.end if self.dead else None,
            self.keys,
            self.size,
            self.poison,
            native,
        )
        self.oracle = Oracle(plan, self.folder / "oracle.log")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill9()
        self.oracle.close()

    def worker(self, *options: str, failpoints: str = "", state: str = "state") -> BridgeProcess:
        """Start a worker; those of one test share a state folder unless they say otherwise."""
        file = self.folder / f"bridge-{uuid.uuid4().hex[:6]}.yaml"
        # JSON is YAML, and a password in a URL needs no thought about quotes.
        file.write_text(json.dumps({"version": 1, "bridges": {"crossing": self._bridge()}}))
        process = BridgeProcess(
            file, self.folder / state, self.folder / "worker.log", *options, failpoints=failpoints
        )
        self.processes.append(process)
        return process

    def _bridge(self) -> dict[str, Any]:
        dead = self.dead.settings if self.dead else "stop"
        return {
            "source": self.source.settings,
            "sink": self.sink.settings,
            "dead_letter": dead,
            "retry": _RETRY,
            **self.bridge,
        }

    def load(self, worker: BridgeProcess, count: int, rate: float) -> None:
        """Send `count` records, and return once the worker delivers while they are still being sent.

        It also returns when the worker has ended, as one that dies early does.
        """
        first = count // 10
        self.oracle.feed(first)
        self._moving(worker, "delivery of the first")
        for _ in range(_TRIES):
            self.oracle.feed(count - first, rate)
            if self._moving(worker, "delivery").feeding or not worker.running:
                return
        raise AssertionError("the load ended each time before anything of it was delivered")

    def _moving(self, worker: BridgeProcess, what: str) -> Status:
        """Wait until more is delivered than now, or the worker has ended."""
        now = self.oracle.status().delivered
        return self.oracle.wait(lambda status: status.delivered > now or not worker.running, what)

    def until_delivering(self, worker: BridgeProcess) -> float:
        """Wait until something is delivered that was not yet; returns the seconds it took."""
        worker.alive()
        begun, before = time.monotonic(), self.oracle.catch_up().delivered
        self.oracle.wait(lambda now: now.delivered > before or now.settled, "delivery after a fault", 40.0)
        worker.alive()
        return time.monotonic() - begun

    def settle(self, alive: Callable[[], None]) -> None:
        """Wait until the oracle has seen all it had confirmed, or nothing moves any more."""
        self.oracle.settle(STALL_SECS, alive)

    def finish(self, worker: BridgeProcess) -> Report:
        """Settle, drain the last worker, and read the target to its end."""
        self.settle(worker.alive)
        worker.drained()
        return self.oracle.report()

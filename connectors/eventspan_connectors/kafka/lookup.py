"""Looking at a cluster without joining a group: topics, positions, ends, permissions."""

import contextlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from eventspan.endpoint import Target
from eventspan.errors import ConfigError, EventspanError, Halted, NotConnected
from eventspan_connectors.kafka import options
from eventspan_connectors.kafka.config import KafkaSource
from eventspan_connectors.kafka.errors import explained, translate, unusable

T = TypeVar("T")

REACH_SECS = 5.0
ANSWER_SECS = 10.0
PAUSE_SECS = 0.1
_SOON = (KafkaError._TIMED_OUT, KafkaError._WAIT_COORD)


def begin(consumer: Consumer, fresh: Sequence[TopicPartition], start: str) -> list[TopicPartition]:
    """Where partitions without a committed position begin.

    ``latest`` is made durable before the first record is read: a restart would find
    a later end, and lose what came in between.
    """
    if start == "earliest":
        return [TopicPartition(tp.topic, tp.partition, OFFSET_BEGINNING) for tp in fresh]
    ends = [
        TopicPartition(tp.topic, tp.partition, consumer.get_watermark_offsets(tp, timeout=ANSWER_SECS)[1])
        for tp in fresh
    ]
    for tp in consumer.commit(offsets=ends, asynchronous=False):
        if tp.error:
            raise KafkaException(tp.error)
    return ends


def reach(handle: Any, heard: list[KafkaError], servers: Sequence[str]) -> Any:
    """Metadata of the cluster within a few seconds, or the reason why there is none."""
    end = time.monotonic() + REACH_SECS
    while True:
        try:
            return handle.list_topics(timeout=0.5)
        except KafkaException as error:
            handle.poll(0)
            if time.monotonic() > end or _hopeless(heard) or _worst(heard, servers):
                # Never a local: a raised one would keep itself, and with it the client, alive.
                raise (_worst(heard, servers) or explained(error, heard, "connection", servers)) from error


def _hopeless(heard: Sequence[KafkaError]) -> bool:
    """Whether every server was tried in vain: whoever wants it tries again with back-off."""
    codes = {error.code() for error in heard}
    return KafkaError._ALL_BROKERS_DOWN in codes and len(codes) > 1


def _worst(heard: Sequence[KafkaError], servers: Sequence[str]) -> EventspanError | None:
    """What no waiting mends."""
    found = (translate(error, "connection", servers) for error in heard)
    return next((error for error in found if isinstance(error, Halted)), None)


class Lookup:
    """A consumer that never joins its group. Its methods block for seconds at most."""

    def __init__(self, settings: KafkaSource) -> None:
        self._settings = settings
        self._heard: list[KafkaError] = []
        self._admin: AdminClient | None = None
        self._isolation = (
            IsolationLevel.READ_UNCOMMITTED
            if settings.options.get("isolation.level") == "read_uncommitted"
            else IsolationLevel.READ_COMMITTED
        )
        try:
            self._consumer = Consumer(options.reader(settings, self._heard.append))
        except (KafkaException, ValueError) as error:
            raise unusable(error) from error

    def close(self) -> None:
        self._admin = None  # ends with its last reference
        with contextlib.suppress(RuntimeError):  # closed twice
            self._consumer.close()

    def _administrator(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(options.connection(self._settings, self._heard.append))
        return self._admin

    def verify(self) -> None:
        """Reach the cluster, find every named topic, and ask for the group's positions."""
        reach(self._consumer, self._heard, self._settings.servers)
        found = self.partitions()
        self._asked(f"group {self._settings.group}", lambda: self._permitted(found[:1]))

    def partitions(self) -> list[TopicPartition]:
        """Every partition of every topic that is read; raises ``Halted`` for one that is missing."""
        found: list[TopicPartition] = []
        for topic in self._settings.topics:
            found += self._matching(topic) if _is_pattern(topic) else self._named(topic)
        return found

    def _named(self, topic: str) -> list[TopicPartition]:
        listed = self._asked(f"topic {topic}", lambda: self._list(topic)).topics[topic]
        if listed.error is not None:
            raise translate(listed.error, f"topic {topic}", self._settings.servers)
        return [TopicPartition(topic, number) for number in listed.partitions]

    def _matching(self, pattern: str) -> list[TopicPartition]:
        match = re.compile(options.subscription([pattern])[0]).search
        listed = self._asked("topics", lambda: self._list(None)).topics.values()
        return [
            TopicPartition(meta.topic, number)
            for meta in listed
            if not meta.topic.startswith("__") and match(meta.topic)
            for number in meta.partitions
        ]

    def _permitted(self, partitions: list[TopicPartition]) -> None:
        """Ask for a position as a member would.

        Never by the admin client: librdkafka aborts the process when it loses a coordinator it asks.
        """
        end = time.monotonic() + ANSWER_SECS
        asking = bool(partitions)
        while asking:
            try:
                self._consumer.committed(partitions, timeout=0.5)
                asking = False
            except KafkaException as error:
                # The call only times out; that the group is forbidden is said beside it.
                said = self._consumer.poll(0)
                reason = said.error() if said is not None else None
                if reason is not None:
                    raise KafkaException(reason) from error
                if time.monotonic() > end or error.args[0].code() not in _SOON:
                    raise

    def _list(self, topic: str | None) -> Any:
        return self._consumer.list_topics(topic, timeout=ANSWER_SECS)

    def positions(self) -> list[TopicPartition]:
        """Committed positions; a negative offset where there is none."""
        found = self.partitions()
        return self._asked(f"group {self._settings.group}", lambda: self._committed(found))

    def _committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        found = self._consumer.committed(partitions, timeout=ANSWER_SECS) if partitions else []
        for tp in found:
            if tp.error:
                raise KafkaException(tp.error)
        return found

    def watermarks(self, partitions: Sequence[TopicPartition]) -> list[tuple[int, int]]:
        """First and next offset of each partition, transactions that are open left out.

        Two requests in all, however many partitions there are.
        """
        earliest, latest = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call] # not annotated
        lows, highs = self._edges(partitions, earliest), self._edges(partitions, latest)
        return list(zip(lows, highs, strict=True))

    def _edges(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> list[int]:
        if not partitions:
            return []
        asked = {TopicPartition(tp.topic, tp.partition): spec for tp in partitions}

        def ask() -> list[int]:
            admin = self._administrator()
            found = admin.list_offsets(asked, isolation_level=self._isolation, request_timeout=ANSWER_SECS)
            return [found[tp].result(ANSWER_SECS + 1).offset for tp in asked]

        return self._asked("ends of partitions", ask)

    def resolve(self, tp: TopicPartition, target: Target, low: int, high: int) -> TopicPartition:
        """The offset a target stands for; raises ``ConfigError`` when there is none such."""
        if isinstance(target, datetime):
            at = TopicPartition(tp.topic, tp.partition, int(target.timestamp() * 1000))
            found = self._asked("time", lambda: self._consumer.offsets_for_times([at], ANSWER_SECS))
            offset = found[0].offset
            return TopicPartition(tp.topic, tp.partition, offset if offset >= 0 else high)
        edges: Mapping[Any, int] = {"earliest": low, "latest": high}
        offset = edges[target] if target in edges else _offset(target)
        if not low <= offset <= high:
            raise ConfigError(f"{tp.topic}:{tp.partition} has no offset {offset}; it holds {low} to {high}")
        return TopicPartition(tp.topic, tp.partition, offset)

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Set positions of a group nobody is a member of."""
        group = self._settings.group
        try:
            done = self._consumer.commit(offsets=offsets, asynchronous=False)
            errors = [tp.error for tp in done if tp.error]
        except KafkaException as error:
            errors = [error.args[0]]
        if errors and errors[0].code() in _ACTIVE:
            raise Halted(f"group {group} is being read", help="stop the bridges that read it, then try again")
        if errors:
            raise translate(errors[0], f"group {group}", self._settings.servers)

    def _asked(self, what: str, ask: Callable[[], T]) -> T:
        try:
            return _patiently(ask)
        except (KafkaException, TimeoutError) as error:
            self._consumer.poll(0)  # where the client says what it has heard of its brokers
            raise explained(known(error), self._heard, what, self._settings.servers) from error
        except RuntimeError as error:
            raise NotConnected(f"{what}: the client is closed") from error


_ACTIVE = (
    KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.NON_EMPTY_GROUP, KafkaError.STALE_MEMBER_EPOCH,
)  # fmt: skip


_SETTLING = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR,
    KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION,
)  # fmt: skip
"""A broker that has just started, or has just become responsible, is ready in a moment."""


def _patiently(ask: Callable[[], T]) -> T:
    end = time.monotonic() + REACH_SECS
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in _SETTLING or time.monotonic() > end:
                raise
        time.sleep(PAUSE_SECS)


def known(error: KafkaException | TimeoutError) -> KafkaException | KafkaError:
    """An answer that never came, as the client would call it."""
    return error if isinstance(error, KafkaException) else KafkaError(KafkaError._TIMED_OUT)


def _is_pattern(topic: str) -> bool:
    return topic.startswith("^") or "*" in topic


def _offset(target: Target) -> int:
    if isinstance(target, int) and not isinstance(target, bool):
        return target
    if isinstance(target, str) and target.isascii() and target.isdigit():
        return int(target)
    raise ConfigError(f"{str(target)[:40]!r} is no offset, edge or time")

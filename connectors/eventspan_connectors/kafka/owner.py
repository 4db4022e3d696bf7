"""The thread that owns a consumer: nobody else touches it."""

import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventspan.failpoints import failpoint
from eventspan_connectors.kafka import lookup, options
from eventspan_connectors.kafka.config import KafkaSource
from eventspan_connectors.kafka.records import Maker, Part

T = TypeVar("T")

POLL_SECS = 0.05
"""How long a command can wait for the consumer."""
PATIENCE_SECS = 1.0
"""How long reading may stall before partitions are paused: pausing throws prefetched records away."""
PROBE_SECS = 10.0
"""How long every broker may be gone before the connection counts as lost."""
RESIGN_SECS = 2.0
"""How long giving up the membership may take."""
BETWEEN_SECS = 2.0
"""How long the commit before giving partitions up may be refused because the group is changing."""
HELD = 2
"""Batches fetched and not yet read."""


class Handler(Protocol):
    """What the owner tells its source: ``release`` on the owner's thread, the rest on the loop."""

    def arrived(self, parts: list[Part], counted: bool) -> None: ...

    def assigned(self, offsets: list[TopicPartition]) -> None: ...

    def release(self, partitions: list[TopicPartition]) -> list[TopicPartition]: ...

    def revoked(self, partitions: list[TopicPartition], committed: list[TopicPartition]) -> None: ...

    def gone(self, partitions: list[TopicPartition]) -> None: ...

    def committed(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None: ...

    def refused(self, error: KafkaError, what: str) -> None: ...

    def failed(self, error: Exception) -> None: ...


class Owner(threading.Thread):
    """Polls one consumer, and runs the commands others send it in between."""

    def __init__(
        self, settings: KafkaSource, maker: Maker, handler: Handler, loop: AbstractEventLoop
    ) -> None:
        super().__init__(name="eventspan-kafka-consumer", daemon=True)
        self._settings = settings
        self._batch = settings.batch
        self._maker = maker
        self._handler = handler
        self._loop = loop
        self._commands: SimpleQueue[Callable[[Consumer], None]] = SimpleQueue()
        self._room = threading.Semaphore(HELD)
        self._stopping = False
        self._paused = False
        self._wanted = False
        self._ended = False
        self._muted = False
        self._troubled = False
        """Whether the brokers have refused something of the subscription."""
        self._down: float | None = None
        self._turns = 0
        """How often partitions were given up."""
        self._given_up: dict[tuple[str, int], int] = {}
        """The last turn at which each was."""

    def run(self) -> None:
        consumer: Consumer | None = None
        try:
            consumer = Consumer(
                {**options.consumer(self._settings, self._on_error), "on_commit": self._on_commit}
            )
            consumer.subscribe(
                options.subscription(self._settings.topics),
                on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost,
            )  # fmt: skip
            while not self._stopping:
                self._turn(consumer)
        except Exception as error:  # noqa: BLE001 -- whatever ends this thread must reach the reader
            self._say(self._handler.failed, error)
        finally:
            self._leave(consumer)

    def stop(self) -> None:
        """Leave the group and end; from any thread."""
        self._stopping = True
        self.ask(lambda consumer: None)

    def mute(self) -> None:
        """Say nothing any more: the source has given this thread up."""
        self._muted = True

    def rewind(self, offsets: list[TopicPartition]) -> "Future[None]":
        """Commit these offsets and read on from them; from any thread."""

        def run(consumer: Consumer) -> None:
            consumer.commit(offsets=offsets, asynchronous=False)
            for tp in offsets:
                consumer.seek(tp)
            self._say(self._handler.assigned, offsets)

        return self.ask(run)

    def ask(self, command: Callable[[Consumer], T]) -> "Future[T]":
        """Run a command between two polls; from any thread."""
        future: Future[T] = Future()

        def run(consumer: Consumer) -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(command(consumer))
                except Exception as error:  # noqa: BLE001 -- it belongs to whoever asked
                    future.set_exception(error)

        self._commands.put(run)
        if self._ended:
            future.cancel()
        return future

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Commit without waiting; the answer goes to ``committed``. From any thread.

        What is given up before its turn comes is left out: a later offset of it is committed already.
        """
        turn = self._turns
        self._commands.put(lambda consumer: self._commit(consumer, self._still_ours(offsets, turn)))

    def _still_ours(self, offsets: list[TopicPartition], turn: int) -> list[TopicPartition]:
        return [tp for tp in offsets if self._given_up.get((tp.topic, tp.partition), 0) <= turn]

    def _commit(self, consumer: Consumer, offsets: list[TopicPartition]) -> None:
        if not offsets:
            self._say(self._handler.committed, None, offsets)
            return
        failpoint("ack.before_commit")
        try:
            consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._say(self._handler.committed, error.args[0], offsets)
        except RuntimeError:
            return  # closed meanwhile, after a last commit of everything settled

    def taken(self) -> None:
        """Say that a batch was read, so that there is room for another."""
        self._room.release()

    def hold(self, wanted: bool) -> None:
        """Stop or go on fetching, while the membership stays alive."""
        self._wanted = wanted
        self.ask(lambda consumer: None)

    def _turn(self, consumer: Consumer) -> None:
        self._obey(consumer)
        if self._wanted or not self._room.acquire(blocking=False):
            self._idle(consumer)
            return
        self._admit(consumer)
        self._hand_over(consumer, self._fetch(consumer, POLL_SECS))

    def _obey(self, consumer: Consumer, timeout: float = 0) -> None:
        try:
            command = self._commands.get(timeout=timeout) if timeout else self._commands.get_nowait()
            while True:
                command(consumer)
                command = self._commands.get_nowait()
        except Empty:
            return

    def _idle(self, consumer: Consumer) -> None:
        """Wait for room; once that takes long, pause and keep the membership alive."""
        patience = time.monotonic() + PATIENCE_SECS
        while not self._stopping:
            if not self._wanted and self._room.acquire(timeout=POLL_SECS):
                self._room.release()
                return
            self._obey(consumer, POLL_SECS if self._wanted else 0)
            if self._wanted or time.monotonic() > patience:
                self._suspend(consumer)
                self._hand_over(consumer, self._fetch(consumer, 0), counted=False)

    def _suspend(self, consumer: Consumer) -> None:
        if not self._paused:
            consumer.pause(consumer.assignment())
            self._paused = True

    def _admit(self, consumer: Consumer) -> None:
        if self._paused:
            self._paused = False
            consumer.resume(consumer.assignment())

    def _fetch(self, consumer: Consumer, timeout: float) -> list[Message]:
        first = consumer.poll(timeout)
        if first is None:
            if self._down is not None:
                self._probe(consumer)
            return []
        self._down = None
        return [first, *consumer.consume(self._batch - 1, 0)] if self._batch > 1 else [first]

    def _hand_over(self, consumer: Consumer, messages: Sequence[Message], *, counted: bool = True) -> None:
        parts = self._parts(messages) if messages else []
        if parts:
            self._say(self._handler.arrived, parts, counted)
        elif counted:
            self._room.release()

    def _parts(self, messages: Sequence[Message]) -> list[Part]:
        good = [message for message in messages if message.error() is None]
        parts = self._maker.parts(good)
        if len(good) < len(messages):
            parts += self._remarks([m for m in messages if m.error() is not None])
        return parts

    def _remarks(self, messages: Sequence[Message]) -> list[Part]:
        """Ends of partitions become empty parts; anything else is an error."""
        ends = []
        for message in messages:
            error = message.error()
            assert error is not None
            if error.code() == KafkaError._PARTITION_EOF:
                ends.append(self._maker.end(message))
            else:
                self._troubled = True
                lane = f"{message.topic()}:{message.partition()}" if message.topic() else "subscription"
                self._say(self._handler.refused, error, lane)
        return ends

    def _probe(self, consumer: Consumer) -> None:
        """Find out whether brokers that were all gone are back."""
        assert self._down is not None
        if time.monotonic() - self._down > PROBE_SECS:
            consumer.list_topics(timeout=2)
            self._down = None

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._down = self._down or time.monotonic()
        self._say(self._handler.refused, error, f"group {self._settings.group}")

    def _on_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        failpoint("ack.after_commit")
        self._say(self._handler.committed, error, offsets)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if not partitions:
            self._say(self._handler.assigned, [])
            return
        offsets = consumer.committed(partitions, timeout=10)
        for offset in offsets:
            if offset.error:
                raise KafkaException(offset.error)
        fresh = [offset for offset in offsets if offset.offset < 0]
        known = [offset for offset in offsets if offset.offset >= 0]
        begun = lookup.begin(consumer, fresh, self._settings.start) if fresh else []
        self._say(self._handler.assigned, known + begun)
        consumer.incremental_assign(known + begun)
        if self._paused:
            consumer.pause(partitions)
        failpoint("rebalance.after_assign")

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        done: list[TopicPartition] = []
        failpoint("rebalance.before_revoke")
        final = [] if self._muted else self._handler.release(partitions)
        failpoint("rebalance.in_revoke")
        try:
            if final:
                done = _committed(consumer, final)
        except KafkaException as error:
            # What was not committed is read again by whoever is next: nothing is lost.
            self._say(self._handler.committed, error.args[0], final)
        self._give_up(partitions)
        self._say(self._handler.revoked, partitions, [offset for offset in done if not offset.error])
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_up(partitions)
        self._say(self._handler.gone, partitions)
        consumer.incremental_unassign(partitions)

    def _give_up(self, partitions: list[TopicPartition]) -> None:
        self._turns += 1
        self._given_up |= {(tp.topic, tp.partition): self._turns for tp in partitions}

    def _leave(self, consumer: Consumer | None) -> None:
        try:
            if consumer is not None and self._troubled:
                _resign(consumer)
            if consumer is not None:
                consumer.close()
        except Exception as error:  # noqa: BLE001 -- whatever ends this thread must reach the reader
            self._say(self._handler.failed, error)
        self._ended = True
        if consumer is not None:
            self._obey(consumer)  # each fails typed: the consumer is closed

    def _say(self, what: Callable[..., None], *arguments: Any) -> None:
        if self._muted:
            return
        try:
            self._loop.call_soon_threadsafe(what, *arguments)
        except RuntimeError:
            self._stopping = True  # the loop is closed: nobody is left to read


def _committed(consumer: Consumer, offsets: list[TopicPartition]) -> list[TopicPartition]:
    """Commit and wait; again while the group goes from one generation to the next, which ends soon."""
    deadline = time.monotonic() + BETWEEN_SECS
    while True:
        try:
            return consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() not in _BETWEEN or time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECS)


_BETWEEN = (KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION)


def _resign(consumer: Consumer) -> None:
    """Give the membership up before closing.

    Where a topic has gone, close alone leaves a member behind that the group waits for. So does a
    close that comes while partitions are still being given back.
    """
    consumer.unsubscribe()
    deadline = time.monotonic() + RESIGN_SECS
    while consumer.memberid() and time.monotonic() < deadline:
        consumer.poll(0.01)

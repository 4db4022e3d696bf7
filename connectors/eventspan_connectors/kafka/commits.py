"""The commit loop: safe positions become durable in the background, one commit at a time."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection
from typing import Protocol

from confluent_kafka import KafkaError, TopicPartition

from eventspan.tracker import Commit, Tracker
from eventspan_connectors.kafka.records import lane_of, target_of

INTERVAL_SECS = 0.25
RETRY_SECS = 1.0
SOON_SECS = 0.1
PATIENCE_SECS = 30.0
"""How long commits may fail before the source calls the connection lost."""

_HOPELESS = (KafkaError.FENCED_INSTANCE_ID, KafkaError.GROUP_AUTHORIZATION_FAILED)


class Send(Protocol):
    """Starts a commit."""

    def __call__(self, offsets: list[TopicPartition]) -> None: ...


class Committer:
    """Commits what the tracker has moved to. All calls come from the loop."""

    def __init__(self, tracker: Tracker, send: Send, fail: Callable[[KafkaError], None]) -> None:
        self._tracker = tracker
        self._send = send
        self._fail = fail
        self._timer: asyncio.TimerHandle | None = None
        self._flying: dict[str, Commit] = {}
        self._failing: float | None = None
        self._answer = asyncio.Event()

    def moved(self, delay: float = INTERVAL_SECS) -> None:
        """Commit soon, unless a commit is on its way: it looks again when it is back."""
        if self._timer is None and not self._flying:
            self._timer = asyncio.get_running_loop().call_later(delay, self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._flying = {commit.lane: commit for commit in self._tracker.commits()}
        if self._flying:
            self._send(offsets_of(self._flying.values()))

    def answered(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        """Note the outcome of the commit on its way; one given up meanwhile is not looked at."""
        failures = {lane_of(tp.topic, tp.partition): error or tp.error for tp in offsets or ()}
        self._answer.set()
        flying, self._flying = self._flying, {}
        worst: KafkaError | None = None
        for lane, commit in flying.items():
            failure = failures.get(lane, error)
            self._tracker.committed(commit, ok=not failure)
            worst = failure or worst
        self._judge(worst)

    def _judge(self, worst: KafkaError | None) -> None:
        now = time.monotonic()
        self._failing = None if worst is None else self._failing or now
        if worst is None or self._failing is None:
            self.moved()
            return
        if worst.code() in _HOPELESS or now - self._failing > PATIENCE_SECS:
            self._fail(worst)
        self.moved(RETRY_SECS)

    async def settle(self, secs: float) -> None:
        """Commit all that is settled and wait until the brokers have it; gives up after some seconds.

        A member that leaves while the group changes could not commit any more.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(secs):
                while self._flying or self._flushed():
                    self._answer.clear()
                    await self._answer.wait()
                    if self._failing is not None:
                        await asyncio.sleep(SOON_SECS)

    def _flushed(self) -> bool:
        """Send what there is to commit now; whether that is anything."""
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
        return bool(self._flying)

    def final(self, lanes: Collection[str]) -> list[Commit]:
        """What is still to commit of lanes that are being given up, the flying commit included."""
        for lane in [lane for lane in self._flying if lane in lanes]:
            self._tracker.committed(self._flying.pop(lane), ok=False)
        return self._tracker.commits(lanes)

    def reset(self) -> None:
        """Forget the commit on its way: its connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._failing = None
        self._flying = {}


def offsets_of(commits: Collection[Commit]) -> list[TopicPartition]:
    """Commits as the client takes them."""
    return [TopicPartition(*target_of(commit.lane), int(commit.position)) for commit in commits]

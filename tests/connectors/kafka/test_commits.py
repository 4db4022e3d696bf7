"""Leaving waits for the last commit, as long as that makes sense."""

import asyncio

from confluent_kafka import KafkaError, TopicPartition

from eventspan.batch import Batch
from eventspan.testing import numbered
from eventspan.tracker import Tracker
from eventspan_connectors.kafka.commits import Committer

REFUSED = KafkaError(KafkaError.ILLEGAL_GENERATION)


class Group:
    """A committer with one lane, and a broker that refuses the first commits."""

    def __init__(self, refusals: int, *, silent: bool = False) -> None:
        self.tracker = Tracker(lambda: None)
        self.sent: list[int] = []
        self._refusals = refusals
        self._silent = silent
        self.committer = Committer(self.tracker, self._send, lambda error: None)
        self.tracker.assign("t:0", 0)

    def read(self, count: int) -> Batch:
        span = self.tracker.span("t:0", 0, count, 0, count)
        return Batch(numbered(count), [span], lambda batch, reason: self.tracker.settle(batch))

    def _send(self, offsets: list[TopicPartition]) -> None:
        self.sent += [tp.offset for tp in offsets]
        if not self._silent:
            error = REFUSED if len(self.sent) <= self._refusals else None
            asyncio.get_running_loop().call_soon(self.committer.answered, error, offsets)


async def test_what_is_settled_is_committed() -> None:
    group = Group(0)
    group.read(3).ack()
    await group.committer.settle(10)
    assert group.sent == [3]
    assert not group.tracker.commits()


async def test_nothing_settled_is_no_commit() -> None:
    group = Group(0)
    group.read(3)
    await group.committer.settle(10)
    assert group.sent == []


async def test_a_refused_commit_is_tried_until_it_is_taken() -> None:
    group = Group(2)
    group.read(3).ack()
    await group.committer.settle(10)
    assert group.sent == [3, 3, 3]


async def test_a_broker_that_does_not_answer_is_given_up() -> None:
    group = Group(0, silent=True)
    group.read(3).ack()
    await asyncio.wait_for(group.committer.settle(0.05), 5)
    assert group.sent == [3]
    assert [commit.position for commit in group.committer.final(["t:0"])] == [3]

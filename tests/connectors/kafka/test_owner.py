"""What is committed while partitions come and go."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from eventspan_connectors.kafka import owner
from eventspan_connectors.kafka.config import KafkaSource
from eventspan_connectors.kafka.owner import Owner
from eventspan_connectors.kafka.records import Maker

SETTINGS = KafkaSource(servers=["localhost:9092"], topics=["t"], group="g")
OFFSETS = [TopicPartition("t", 0, 7)]


def refusing(code: int, times: int) -> Mock:
    """A consumer whose commits are refused so many times."""
    refusal = KafkaException(KafkaError(code))
    return Mock(commit=Mock(side_effect=[*[refusal] * times, OFFSETS]))


async def revoked(consumer: Mock) -> Any:
    """What the source is told once its partition was taken."""
    handler = Mock(release=Mock(return_value=OFFSETS))
    made = Owner(SETTINGS, Maker(SETTINGS), handler, asyncio.get_running_loop())
    made._on_revoke(consumer, OFFSETS)
    await asyncio.sleep(0)
    consumer.incremental_unassign.assert_called_once_with(OFFSETS)
    return handler


@pytest.mark.parametrize("code", [KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION])
async def test_it_is_tried_again_until_the_next_generation(code: int) -> None:
    handler = await revoked(refusing(code, 3))
    handler.revoked.assert_called_once_with(OFFSETS, OFFSETS)
    handler.committed.assert_not_called()


async def test_it_is_given_up_when_that_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "BETWEEN_SECS", 0.1)
    consumer = refusing(KafkaError.REBALANCE_IN_PROGRESS, 1000)
    handler = await revoked(consumer)
    assert consumer.commit.call_count < 10
    handler.revoked.assert_called_once_with(OFFSETS, [])
    handler.committed.assert_called_once()


async def test_a_member_that_is_out_does_not_insist() -> None:
    consumer = refusing(KafkaError.UNKNOWN_MEMBER_ID, 1)
    handler = await revoked(consumer)
    assert consumer.commit.call_count == 1
    handler.revoked.assert_called_once_with(OFFSETS, [])


async def test_a_commit_whose_turn_comes_after_its_partition_has_gone_is_left_out() -> None:
    """It would put an older offset in the place of the last one."""
    consumer, handler = Mock(commit=Mock(return_value=OFFSETS)), Mock(release=Mock(return_value=OFFSETS))
    made = Owner(SETTINGS, Maker(SETTINGS), handler, asyncio.get_running_loop())
    made.commit([TopicPartition("t", 0, 5), TopicPartition("t", 1, 6)])
    made.commit([TopicPartition("t", 0, 5)])
    made._on_revoke(consumer, OFFSETS)
    made.commit([TopicPartition("t", 0, 8)])
    made._obey(consumer)
    await asyncio.sleep(0)
    offsets = [
        [(tp.partition, tp.offset) for tp in call.kwargs["offsets"]] for call in consumer.commit.mock_calls
    ]
    assert offsets == [[(0, 7)], [(1, 6)], [(0, 8)]]
    handler.committed.assert_called_once_with(None, [])

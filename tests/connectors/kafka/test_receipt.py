"""Delivery reports end the write they belong to, and no other."""

import asyncio

from confluent_kafka import KafkaError

from eventspan_connectors.kafka.receipt import Receipt, Receipts


def finish(receipt: Receipt) -> None:
    receipt.future.set_result(None)


async def test_a_receipt_whose_reports_were_told_is_used_again() -> None:
    receipts = Receipts(finish)
    first = receipts.take()
    future, slots = first.future, list(first.slots(3))
    for slot in slots[:2]:
        slot(None, None)
    first.sent(3)
    assert not future.done()
    slots[2](None, None)
    await future
    await asyncio.sleep(0)
    second = receipts.take()
    assert second is first
    assert second.slots(3) == slots
    assert not second.future.done()


async def test_a_receipt_that_may_still_be_told_is_not_used_again() -> None:
    """The polling thread may be about to tell what the loop has seen by itself."""
    receipts = Receipts(finish)
    first = receipts.take()
    for slot in first.slots(2):
        slot(None, None)
    first.sent(2)
    assert first.future.done()
    await asyncio.sleep(0)
    assert receipts.take() is not first


async def test_failures_are_known_by_index_and_forgotten_with_the_receipt() -> None:
    seen: list[dict[int, KafkaError]] = []

    def over(receipt: Receipt) -> None:
        seen.append(dict(receipt.failures))
        finish(receipt)

    receipts = Receipts(over)
    first = receipts.take()
    first.sent(2)
    slots = first.slots(2)
    slots[1](KafkaError(KafkaError.INVALID_RECORD), None)
    slots[0](None, None)
    await first.future
    await asyncio.sleep(0)
    assert [list(failures) for failures in seen] == [[1]]
    assert receipts.take() is not first


async def test_a_write_that_was_never_finished_is_left_alone() -> None:
    receipts = Receipts(finish)
    first = receipts.take()
    for slot in first.slots(2):
        slot(None, None)
    await asyncio.sleep(0)
    assert not first.future.done()
    assert receipts.take() is not first

"""The oracle's accounting catches each fault it exists for, and is content with what is right."""

from dataclasses import replace

import pytest

from harness.oracle.ends import AmqpEnd, KafkaEnd, Plan, unpacked
from harness.oracle.ledger import Ledger
from harness.oracle.mint import Mint
from harness.oracle.native import Sighting, sent_headers

MINT = Mint(seed=7, keys=2, size=0, poison=10)


def sighting(number: int) -> Sighting:
    """The record of a number, as Kafka would show it."""
    record = MINT.record(number)
    headers = list(sent_headers(record))
    return Sighting(headers, record.attributes.get("datacontenttype"), record.key.encode(), record.body)


def letter(number: int) -> Sighting:
    seen = sighting(number)
    return replace(seen, headers=[*seen.headers, ("eventspan-dlq-reason", b"no event")])


def ledger(confirmed: int = 9) -> Ledger:
    made = Ledger(MINT, native=True)
    for _ in range(confirmed):
        made.confirm(made.issue())
    return made


def feed(into: Ledger, *numbers: int) -> Ledger:
    for number in numbers:
        into.see(sighting(number))
    return into


def faults(made: Ledger) -> tuple[int, int, int, int, int]:
    return (len(made.lost()), len(made.spurious), len(made.corrupt), made.overtaken, made.duplicates)


def test_everything_once_in_order_is_right() -> None:
    made = feed(ledger(), *range(9))
    assert faults(made) == (0, 0, 0, 0, 0)
    assert (made.settled, made.lives()) == (True, 1)


def test_a_loss_is_found_by_id_whatever_the_sum_says() -> None:
    made = feed(ledger(), 0, 1, 2, 3, 3, 5, 6, 7, 8)
    assert made.lost() == [MINT.id(4)]
    assert not made.settled


def test_what_was_not_confirmed_is_not_lost_and_not_spurious() -> None:
    made = ledger(3)
    made.issue()
    assert faults(feed(made, 0, 1, 2)) == (0, 0, 0, 0, 0)
    assert faults(feed(made, 3)) == (0, 0, 0, 0, 0)


def test_what_was_never_sent_is_spurious() -> None:
    made = feed(ledger(3), 0, 1, 2, 8)
    made.see(Sighting([("ce_id", b"k00x/1")], None, None, b""))
    assert len(made.spurious) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"other"},
        {"key": b"k001"},
        {"content_type": "text/plain"},
        {"headers": sighting(0).headers[:-1]},
        {"headers": [("x", b"more"), *sighting(0).headers]},
        {"headers": list(reversed(sighting(0).headers))},
    ],
    ids=lambda change: "-".join(change),
)
def test_any_change_is_corruption(change: dict[str, object]) -> None:
    made = ledger()
    made.see(replace(sighting(0), **change))  # type: ignore[arg-type] # one field of many types
    assert len(made.corrupt) == 1


def test_a_replay_is_a_duplicate_and_starts_another_life() -> None:
    made = feed(ledger(), 0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6, 7, 8)
    assert faults(made) == (0, 0, 0, 0, 4)
    assert made.lives() == 2


def test_order_within_a_key_is_watched_in_first_sightings_and_in_replays() -> None:
    assert feed(ledger(), 0, 4, 2).overtaken == 1
    shuffled = feed(ledger(), 0, 2, 4, 2, 0)
    assert (shuffled.overtaken, shuffled.lives()) == (0, 3)
    assert feed(ledger(), 1, 0, 3, 2).overtaken == 0


def test_poison_belongs_among_the_dead_letters_and_nothing_else_does() -> None:
    made = feed(ledger(10), *range(9))
    assert made.lost() == [MINT.id(9)]
    made.bury(letter(9))
    assert (made.settled, made.buried, faults(made)) == (True, 1, (0, 0, 0, 0, 0))
    made.bury(letter(0))
    made.see(sighting(9))
    assert len(made.spurious) == 2


def test_a_dead_letter_that_does_not_say_why_is_corrupt() -> None:
    made = ledger(10)
    made.bury(sighting(9))
    assert len(made.corrupt) == 1


def test_what_the_broker_shows_the_oracle_again_is_nobodys_duplicate() -> None:
    made = feed(ledger(), 0)
    made.see(replace(sighting(0), again=True))
    made.see(replace(sighting(1), again=True))
    assert (made.delivered, made.duplicates) == (2, 0)


def test_what_the_broker_had_offered_to_a_connection_that_was_gone_was_not_overtaken() -> None:
    made = feed(ledger(), 0, 4)
    made.see(replace(sighting(2), again=True))
    assert (made.delivered, made.overtaken, made.lives()) == (3, 0, 1)


def test_numbers_and_ids_stand_for_each_other() -> None:
    assert [MINT.number(MINT.id(n)) for n in range(100)] == list(range(100))
    assert [MINT.number(id) for id in ("", "k000/1", "x000/00000001", "k002/00000000")] == [None] * 4


def test_a_plan_survives_the_way_to_its_process() -> None:
    plan = Plan(1, KafkaEnd("h:1", "t"), AmqpEnd("amqp://h/", "q"), poison=3)
    assert unpacked(plan.packed()) == plan

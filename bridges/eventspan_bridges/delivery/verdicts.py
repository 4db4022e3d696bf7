"""What a failed write means for each of its events: decided without doing anything."""

from enum import IntEnum

import msgspec

from eventspan import Halted, NotConnected, PartialWrite, Rejected, SinkTraits


class Connection(IntEnum):
    """What has to happen before anything is written again, the gravest last."""

    FINE = 0
    """Only the failed events wait; the others go on."""
    RECONNECT = 1
    HALT = 2


class Verdict(msgspec.Struct):
    """Positions in the write, by what becomes of them."""

    done: list[int]
    refused: dict[int, Exception]
    """Never accepted: dead letters."""
    again: list[int]
    narrow: list[list[int]]
    """Parts to write one after the other, to find the refused event among them."""
    connection: Connection = Connection.FINE
    reason: Exception | None = None


def judge(error: Exception, count: int, traits: SinkTraits) -> Verdict:
    """The verdict on a write of ``count`` events that ended with an error.

    What nobody has foreseen is ambiguous, like a cut connection: it is tried again.
    """
    everything = list(range(count))
    if isinstance(error, PartialWrite):
        return _judge_partial(error, count)
    if isinstance(error, Rejected) and count == 1:
        return Verdict([], {0: error}, [], [])
    if isinstance(error, Rejected):
        return Verdict([], {}, [], _divide(everything, traits))
    grave = Connection.HALT if isinstance(error, Halted) else Connection.RECONNECT
    return Verdict([], {}, everything, [], grave, error)


def _judge_partial(error: PartialWrite, count: int) -> Verdict:
    failures = {at: why for at, why in sorted(error.failures.items()) if 0 <= at < count}
    verdict = Verdict([at for at in range(count) if at not in failures], {}, [], [])
    for at, why in failures.items():
        if isinstance(why, Rejected):
            verdict.refused[at] = why
            continue
        verdict.again.append(at)
        grave = _gravity(why)
        if verdict.reason is None or grave > verdict.connection:
            verdict.connection, verdict.reason = grave, why
    return verdict


def _gravity(error: Exception) -> Connection:
    if isinstance(error, Halted):
        return Connection.HALT
    return Connection.RECONNECT if isinstance(error, NotConnected) else Connection.FINE


def _divide(positions: list[int], traits: SinkTraits) -> list[list[int]]:
    # Halves are written again whole, which only a sink that takes all or nothing, or
    # that knows events again, can bear; any other is asked one by one.
    if traits.atomic or traits.idempotent:
        middle = len(positions) // 2
        return [positions[:middle], positions[middle:]]
    return [[at] for at in positions]

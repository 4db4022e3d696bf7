"""Which of several outstanding messages a broker has returned: pure.

A return carries the message, but not its tag. Messages that are alike in every byte stand
for each other: it does not matter which of them is said to have come back.
"""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

from eventspan.errors import Rejected
from eventspan_connectors.amqp import codec
from eventspan_connectors.amqp.errors import NotConfirmed
from eventspan_connectors.amqp.frames import address_of

Publication: TypeAlias = tuple[bytes, bytes, bytes]
"""Encoded exchange and routing key, content header, body."""

K = TypeVar("K")


class Doubtful(NotConfirmed):
    """The message, or one that cannot be told from it, was returned. Sent alone, it tells."""

    def __init__(self, message: Publication) -> None:
        super().__init__("the broker returned this message or one like it")
        self.message = message


def matching(returned: bytes, outstanding: Sequence[tuple[K, bytes]]) -> list[K]:
    """The message that was returned, by content headers of outstanding ones with its address and body.

    Several where they cannot be told apart; none for a stranger. A broker with interceptors
    returns another content header than it was sent, so the best match counts: all bytes, then
    every header that was sent, then any.
    """
    found = [pair for pair in outstanding if pair[1] == returned]
    found = found or [pair for pair in outstanding if _holds(returned, pair[1])] or [*outstanding]
    if len({sent for _, sent in found}) == 1:
        # Returns come in the order of the messages: the first one that is left is the right one, or
        # stands for one behind it that is still left for the next return.
        return [found[0][0]]
    return [key for key, _ in found]


def _holds(returned: bytes, sent: bytes) -> bool:
    try:
        there, _ = codec.decode(returned)
        wanted, _ = codec.decode(sent)
    except codec.Malformed:
        return False
    return all(header in there for header in wanted)


def unrouted(message: Publication) -> Rejected:
    """The refusal of a message for which there is no queue."""
    exchange, key = address_of(message[0])
    where = f"of exchange {exchange!r} " if exchange else ""
    return Rejected(f"no queue is bound {where}for routing key {key!r}")

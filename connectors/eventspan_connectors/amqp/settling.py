"""Which delivery tags to acknowledge, and how: pure.

Tags of a channel are consecutive. The settled ones before the first unsettled one go as one
multiple acknowledgement; those behind it go one by one, so that one slow event does not
hold the rest. A multiple acknowledgement is only ever put at a tag that is outstanding:
the broker closes the channel for any other.
"""

from collections.abc import Iterable
from struct import Struct

_ACK = Struct(">BHIIQBB").pack
_RANGE = tuple[int, int]


def ack_frame(channel: int, tag: int, *, multiple: bool) -> bytes:
    """A whole ``basic.ack`` frame."""
    return _ACK(1, channel, 13, 0x3C0050, tag, multiple, 0xCE)


def nack_frame(channel: int, tag: int) -> bytes:
    """A whole ``basic.nack`` frame that gives one message back to the queue."""
    return _ACK(1, channel, 13, 0x3C0078, tag, 2, 0xCE)


class Settling:
    """The tags of one channel that are settled here and that the broker does not know of yet."""

    def __init__(self) -> None:
        self._low = 0
        """Every tag up to this one is done with."""
        self._told: set[int] = set()
        """Tags above it that were acknowledged or given back one by one."""
        self._loose: list[_RANGE] = []
        """Settled behind a gap, first and last tag, and not told."""

    def settle(self, ranges: Iterable[_RANGE]) -> None:
        """Note settled tags, wherever they are."""
        self._loose.extend(ranges)

    def told(self, tags: Iterable[int]) -> None:
        """Note tags that were given back."""
        self._told.update(tags)

    @property
    def behind(self) -> bool:
        """Whether tags are settled behind a gap."""
        return bool(self._loose)

    def prefix(self, mark: int) -> int | None:
        """The tag to put a multiple acknowledgement at, everything below ``mark`` being settled."""
        tag = mark - 1
        while tag > self._low and tag in self._told:
            tag -= 1
        found = tag if tag > self._low else None
        if mark - 1 > self._low:
            self._low = mark - 1
            self._told = {later for later in self._told if later > self._low}
            self._loose = [pair for pair in self._loose if pair[1] > self._low]
        return found

    def singles(self) -> list[int]:
        """Tags behind the gap to acknowledge one by one."""
        tags = {tag for first, last in self._loose for tag in range(max(first, self._low + 1), last + 1)}
        self._loose.clear()
        fresh = sorted(tags - self._told)
        self._told.update(fresh)
        return fresh

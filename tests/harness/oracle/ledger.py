"""What was confirmed, what was seen, and what follows: pure accounting, by record and never by sum."""

from array import array
from dataclasses import dataclass

from harness.oracle.mint import Mint
from harness.oracle.native import Sighting, faults_of_event, faults_of_letter, id_of

_SAMPLE = 8


@dataclass
class _Order:
    """One key's sequence numbers as they were seen."""

    last: int = -1
    highest: int = -1
    lives: int = 1
    """Runs of growing numbers: each crash starts at most one more."""


class Ledger:
    """One thread feeds it, one thread each reads targets; each number here is written by one of them."""

    def __init__(self, mint: Mint, *, native: bool = False) -> None:
        self._mint = mint
        self._native = native
        self.issued = 0
        self.confirmed = 0
        self.delivered = 0
        """Distinct events at the target."""
        self.buried = 0
        """Distinct records among the dead letters."""
        self.duplicates = 0
        self.repeated_letters = 0
        self.overtaken = 0
        """Events first seen after a later one of their key, unless the broker had offered them before."""
        self.spurious: list[str] = []
        self.corrupt: list[str] = []
        self._confirmed = bytearray()
        self._seen = array("H")
        self._orders: dict[int, _Order] = {}

    def issue(self) -> int:
        """The number of the next record."""
        self._confirmed.append(0)
        self._seen.append(0)
        self.issued += 1
        return self.issued - 1

    def confirm(self, number: int) -> None:
        """The source broker has a record."""
        self.confirmed += not self._confirmed[number]
        self._confirmed[number] = 1

    def see(self, seen: Sighting) -> None:
        """A record at the target."""
        number = self._known(seen)
        if number is None or (seen.again and self._seen[number]):
            return
        if self._mint.is_poison(number):
            self.spurious.append(f"{self._mint.id(number)}: no event, and yet delivered")
            return
        wanted = self._mint.record(number)
        self._fault(number, faults_of_event(seen, wanted, native=self._native))
        first = self._count(number) == 1
        # What a broker has offered before was in its place then, be it to a connection that was gone.
        if not seen.again:
            self._order(number, first=first)

    def bury(self, seen: Sighting) -> None:
        """A record among the dead letters."""
        number = self._known(seen)
        if number is None or (seen.again and self._seen[number]):
            return
        if not self._mint.is_poison(number):
            self.spurious.append(f"{self._mint.id(number)}: an event, and yet a dead letter")
            return
        self._fault(number, faults_of_letter(seen, self._mint.record(number), native=self._native))
        self._seen[number] += 1
        self.buried += self._seen[number] == 1
        self.repeated_letters += self._seen[number] > 1

    @property
    def settled(self) -> bool:
        """Whether everything confirmed was seen."""
        return self.delivered + self.buried >= self.confirmed and not self.lost()

    def lost(self) -> list[str]:
        """Ids of what was confirmed and not seen."""
        numbers = range(self.issued)
        return [self._mint.id(n) for n in numbers if self._confirmed[n] and not self._seen[n]]

    def lives(self) -> int:
        """The most runs of growing numbers any key has: 1 where nothing was repeated."""
        return max((order.lives for order in self._orders.values()), default=1)

    def _known(self, seen: Sighting) -> int | None:
        id = id_of(seen, self._mint)
        number = self._mint.number(id)
        if number is None or number >= self.issued:
            self.spurious.append(f"{id[:60]!r} was never sent")
            return None
        return number

    def _count(self, number: int) -> int:
        self._seen[number] += 1
        count = self._seen[number]
        self.delivered += count == 1
        self.duplicates += count > 1
        return count

    def _fault(self, number: int, faults: list[str]) -> None:
        if faults:
            self.corrupt.append(f"{self._mint.id(number)}: {'; '.join(faults)}")

    def _order(self, number: int, *, first: bool) -> None:
        key, seq = self._mint.place(number)
        order = self._orders.setdefault(key, _Order())
        order.lives += seq <= order.last
        order.last = seq
        if first:
            self.overtaken += seq < order.highest
            order.highest = max(order.highest, seq)


def sample(found: list[str]) -> list[str]:
    """The first few, for a report that stays readable."""
    return found[:_SAMPLE]

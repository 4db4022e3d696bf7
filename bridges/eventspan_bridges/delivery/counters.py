"""What became of the records of one bridge: received equals the sum of the rest."""

from enum import Enum

import msgspec


class Outcome(Enum):
    """How a record ended, the gravest of its parts first."""

    STALE = "stale"
    """Its lane was lost before it was settled; its new owner has it."""
    DEADLETTERED = "deadlettered"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    FILTERED = "filtered"


GRAVITY = {outcome: rank for rank, outcome in enumerate(reversed(Outcome))}


class Counters(msgspec.Struct):
    """Records by outcome. Children of a record are not counted apart."""

    received: int = 0
    delivered: int = 0
    deadlettered: int = 0
    filtered: int = 0
    expired: int = 0
    stale: int = 0
    retried: int = 0
    """Events written again, however often; not part of the sum."""
    dropped: int = 0
    """Events an optional sink had no room for; not part of the sum."""

    def count(self, outcome: Outcome, number: int) -> None:
        """Note that ``number`` more records have ended."""
        setattr(self, outcome.value, getattr(self, outcome.value) + number)

    @property
    def pending(self) -> int:
        """Records received that have not ended."""
        return self.received - self.delivered - self.deadlettered - self.filtered - self.expired - self.stale

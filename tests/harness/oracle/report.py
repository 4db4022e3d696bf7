"""What an oracle says: how far it is, and what it has found."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Status:
    """How far feeding and reading are; `error` is why one of them has ended."""

    issued: int
    confirmed: int
    delivered: int
    buried: int
    duplicates: int
    feeding: bool
    settled: bool
    error: str | None = None

    @property
    def pending(self) -> int:
        """Confirmed at the source and not seen yet."""
        return max(0, self.confirmed - self.delivered - self.buried)


@dataclass(frozen=True)
class Report:
    """What a run amounts to. Counts are of distinct records unless they say otherwise.

    `lives` is the most runs of growing sequence numbers any key was seen in: 1 plus, at most, one for each
    time somebody started over. `overtaken` counts events first seen after a later one of their key.
    """

    seed: int
    issued: int
    confirmed: int
    delivered: int
    buried: int
    lost: int
    spurious: int
    corrupt: int
    duplicates: int
    repeated_letters: int
    overtaken: int
    lives: int
    secs: float
    samples: dict[str, list[str]] = field(default_factory=dict)

    def packed(self) -> dict[str, Any]:
        return asdict(self)

    def check(self, *, lives: int | None = None, overtaking: bool = False) -> None:
        """Fail unless nothing is lost, invented, changed or overtaken.

        With `lives`, no key may have been started over more often than that allows; with
        `overtaking` an event may come after a later one of its key.
        """
        bad = {
            name: count
            for name in ("lost", "spurious", "corrupt", "overtaken")
            if (count := getattr(self, name)) and not (overtaking and name == "overtaken")
        }
        assert not bad, f"{bad} {self.samples} of {self}"
        assert self.confirmed > 0, "nothing was ever confirmed at the source"
        assert lives is None or self.lives <= lives, f"a key was started {self.lives} times, {lives} allowed"

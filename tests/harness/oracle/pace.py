"""How fast the oracle feeds."""

import time


class Pace:
    """Lets `rate` records pass a second; None for as fast as it goes."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._start = time.monotonic()
        self._passed = 0

    @property
    def due(self) -> int:
        """How many more may pass now."""
        if self._rate is None:
            return 1_000_000
        return int((time.monotonic() - self._start) * self._rate) + 1 - self._passed

    def passed(self, count: int) -> None:
        self._passed += count

    def wait(self) -> None:
        """Wait for the turn of the next record."""
        while self._rate is not None and self.due < 1:
            time.sleep(0.002)
        self._passed += 1

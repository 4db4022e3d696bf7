"""Pace: no more than so many events a second, averaged over a second."""

import asyncio


class Pace:
    """A bucket that fills at ``rate`` events a second; None never waits."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at = 0.0

    async def spend(self, events: int) -> None:
        """Wait until these events fit in the rate."""
        if self._rate is None or not events:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - 1.0) + events / self._rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)

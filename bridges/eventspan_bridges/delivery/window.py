"""How much may be under way at once: events, bytes, and how long it has been."""

import asyncio


class Window:
    """Admits batches until so many events or bytes are unsettled.

    An oversize batch passes alone, so that nothing is stuck for being large.
    """

    def __init__(self, events: int, size: int) -> None:
        self._events = events
        self._bytes = size
        self.events = 0
        self.bytes = 0
        self._starts: dict[object, float] = {}
        self._room = asyncio.Event()
        self._room.set()

    @property
    def full(self) -> bool:
        return self.events >= self._events or self.bytes >= self._bytes

    @property
    def left(self) -> int:
        """How many more events are admitted now."""
        return max(0, self._events - self.events)

    def add(self, ticket: object, events: int, size: int) -> None:
        """Note a batch that was read."""
        self.events += events
        self.bytes += size
        self._starts[ticket] = asyncio.get_running_loop().time()
        if self.full:
            self._room.clear()

    def grow(self, size: int) -> None:
        """Note the bytes of a batch once they are known; ``release`` takes them back."""
        self.bytes += size
        if self.full:
            self._room.clear()

    def release(self, ticket: object, events: int, size: int, *, last: bool) -> None:
        """Note that part of a batch is settled; ``last`` when nothing of it is left."""
        self.events -= events
        self.bytes -= size
        if last:
            self._starts.pop(ticket, None)
        if not self.full:
            self._room.set()

    async def room(self) -> None:
        """Wait until another batch is admitted."""
        await self._room.wait()

    def age_secs(self) -> float:
        """How long the oldest unsettled batch has been under way."""
        first = next(iter(self._starts.values()), None)
        return 0.0 if first is None else asyncio.get_running_loop().time() - first

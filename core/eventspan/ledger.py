"""Acknowledgements of a source that keeps its own positions: performed off the loop, coalesced."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from eventspan.batch import Batch, Span
from eventspan.event import Event
from eventspan.own_thread import OwnThread
from eventspan.tracker import Commit, Tracker


class Ledger:
    """A tracker, the task that makes its positions durable, and what was given back.

    ``perform`` stores positions. It blocks, runs in the thread of its endpoint, never twice at once,
    and may raise: the error is then in ``failure`` for ``read`` to raise, and the positions
    are offered again.
    """

    def __init__(
        self, perform: Callable[[Sequence[Commit]], None], wake: Callable[[], None], thread: OwnThread
    ) -> None:
        """``wake`` is called when ``read`` has something to look at; ``thread`` performs."""
        self.tracker = Tracker(self._moved)
        self.failure: Exception | None = None
        self._perform = perform
        self._wake = wake
        self._thread = thread
        self._task: asyncio.Task[None] | None = None
        self._again: deque[tuple[Span, list[Event]]] = deque()

    def restart(self) -> None:
        """Forget what was given back and what failed, before lanes are assigned anew."""
        self._again.clear()
        self.failure = None

    def forget(self, lane: str) -> None:
        """Forget what was given back of a lane that is assigned anew."""
        self._again = deque(entry for entry in self._again if entry[0].lane != lane)

    def batch(self, events: Sequence[Event], spans: Sequence[Span]) -> Batch:
        return Batch(events, spans, self._settle)

    def again(self) -> Batch | None:
        """What was given back and is to be offered again."""
        while self._again:
            span, events = self._again.popleft()
            if span.epoch == self.tracker.lanes[span.lane].epoch:
                return self.batch(events, [span])
        return None

    def _settle(self, batch: Batch, reason: Exception | None) -> None:
        self.tracker.settle(batch, reason)
        if reason is None:
            return
        indexes = batch.indexes()
        for span in batch.spans:
            events = [batch.events[n] for n in indexes if span.start <= n < span.stop]
            if events:
                part = Span(span.lane, span.epoch, 0, len(events), span.first, span.next, None, span.entry)
                self._again.append((part, events))
        self._wake()

    def _moved(self) -> None:
        if self._task is None and self.failure is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self.failure is None and (commits := self.tracker.commits()):
                await self._commit(commits)
        finally:
            self._task = None

    async def _commit(self, commits: Sequence[Commit]) -> None:
        try:
            await self._thread.run(self._perform, commits)
        except Exception as error:  # noqa: BLE001 -- whatever it is, read() raises it
            self.failure = error
            self._wake()
        for commit in commits:
            self.tracker.committed(commit, ok=self.failure is None)

    async def flush(self) -> None:
        """Make every recorded acknowledgement durable, or note why not in ``failure``."""
        while self._task is not None:
            await asyncio.wait([self._task])
        if commits := self.tracker.commits():
            await self._commit(commits)

"""Outlet: one sink of one bridge, and the parcels on their way to it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from functools import partial

from eventspan import NotConnected, Sink, SinkTraits
from eventspan.endpoint import Buffering
from eventspan.errors import summary
from eventspan_bridges.delivery.ambiguity import still_owed
from eventspan_bridges.delivery.backoff import full_jitter
from eventspan_bridges.delivery.counters import Counters
from eventspan_bridges.delivery.link import Link
from eventspan_bridges.delivery.ordering import Gate
from eventspan_bridges.delivery.parcel import Parcel
from eventspan_bridges.delivery.verdicts import Connection, Verdict, judge
from eventspan_bridges.settings import Retry

log = logging.getLogger("eventspan")

QUIET_SECS = 10.0
"""How long writes under way may take to fail once one of them has."""

Refused = Callable[[Parcel, Exception], None]
"""Called with one event that will never be accepted; it ends the parcel some time."""


class Outlet:
    """Writes parcels in order, again where that helps, and says how each event ended.

    One task, ``run``, does all the writing. Everything else is plain bookkeeping on
    the same loop: ``submit`` queues, ``drop`` forgets, ``close`` ends.
    """

    def __init__(
        self,
        link: Link[Sink],
        traits: SinkTraits,
        gate: Gate,
        retry: Retry,
        counters: Counters,
        refused: Refused,
    ) -> None:
        self.link = link
        self._traits = traits
        self._gate = gate
        self._retry = retry
        self._counters = counters
        self._refused = refused
        self._queue: deque[Parcel] = deque()
        """New parcels, not yet looked at by the gate."""
        self._front: deque[Parcel] = deque()
        """Admitted parcels that go before any new one."""
        self._later: list[tuple[float, int, Parcel]] = []
        """Failed parcels whose keys are closed, by the time they are due."""
        self._writing: dict[int, Parcel] = {}
        self._futures: dict[int, asyncio.Future[None]] = {}
        self._failures: list[tuple[int, Parcel, Exception]] = []
        self._epochs: dict[str, int] = {}
        """The epoch of each lane that was written last."""
        self._serials = itertools.count()
        self._trouble = 0
        """Failures since the last success."""
        self._wake = asyncio.Event()
        self._discarding: set[asyncio.Future[None]] = set()

    def submit(self, parcel: Parcel) -> None:
        """Take a parcel. Parcels of one lane are submitted in the order they were read."""
        most = self._traits.max_events
        if most is None or len(parcel) <= most:
            self._queue.append(parcel)
        else:
            chunks = range(0, len(parcel), most)
            self._queue.extend(parcel.part(range(at, min(at + most, len(parcel)))) for at in chunks)
        self._wake.set()

    @property
    def busy(self) -> bool:
        """Whether something is queued, due again or under way."""
        return bool(self._queue or self._front or self._later or self._writing or self._failures)

    @property
    def idle(self) -> bool:
        """Whether it is not busy, and nothing waits behind an event of its key."""
        return not self.busy and not self._gate.waiting

    async def run(self) -> None:
        """Connect and write until cancelled."""
        await self.link.open()
        while True:
            if self._failures:
                await self._recover()
            elif (parcel := self._next()) is not None:
                await self._write(parcel)
            else:
                await self._sleep()

    async def flush(self, lanes: Collection[str] | None = None) -> None:
        """Make a buffering sink write what it has; any other has nothing."""
        sink = self.link.endpoint
        if isinstance(sink, Buffering):
            await sink.flush(lanes)

    def drop(self, lanes: Collection[str]) -> None:
        """Forget queued and retrying events whose flights have dropped them."""
        self._gate.prune()
        self._front = deque(self._sifted(self._front))
        self._queue = deque(left for parcel in self._queue if (left := parcel.sift()[0]) is not None)
        later = [(due, n, left) for due, n, parcel in self._later for left in self._sifted([parcel])]
        heapq.heapify(later)
        self._later = later
        sink = self.link.endpoint
        if isinstance(sink, Buffering):
            self._discarding.add(task := asyncio.ensure_future(sink.discard(lanes)))
            task.add_done_callback(self._discarding.discard)

    def _sifted(self, parcels: Collection[Parcel]) -> list[Parcel]:
        kept = []
        for parcel in parcels:
            left, gone = parcel.sift()
            if gone is not None:
                self._release(gone)
            if left is not None:
                kept.append(left)
        return kept

    def _next(self) -> Parcel | None:
        if self._later and self._later[0][0] <= _now():
            return heapq.heappop(self._later)[2]
        for waiting in (self._front, self._queue):
            while waiting:
                if self._writing and self._new_epoch(waiting[0]):
                    return None
                parcel = waiting.popleft()
                admitted = parcel if parcel.held else self._gate.admit(parcel)
                if admitted is not None:
                    return admitted
        return None

    def _new_epoch(self, parcel: Parcel) -> bool:
        # No write of a lane's new epoch starts before those of the old one have ended.
        return any(self._epochs.get(span.lane, span.epoch) != span.epoch for span in parcel.spans)

    async def _sleep(self) -> None:
        self._wake.clear()
        due = self._later[0][0] - _now() if self._later else None
        try:
            await asyncio.wait_for(self._wake.wait(), due)
        except TimeoutError:
            return

    async def _write(self, parcel: Parcel) -> None:
        serial = next(self._serials)
        self._writing[serial] = parcel
        for span in parcel.spans:
            self._epochs[span.lane] = span.epoch
        try:
            durable = await self.link.endpoint.write(parcel.events, parcel.spans)
        except Exception as error:  # noqa: BLE001 -- whatever a plug-in raises is judged, never lost
            self._failed(serial, error)
            return
        if durable is None:
            self._succeeded(serial)
        else:
            await self._follow(serial, durable, alone=not parcel.together)

    async def _follow(self, serial: int, durable: Awaitable[None], *, alone: bool) -> None:
        future = asyncio.ensure_future(durable)
        self._futures[serial] = future
        future.add_done_callback(partial(self._ended, serial))
        if alone:
            await asyncio.wait([future])
            await asyncio.sleep(0)

    def _ended(self, serial: int, future: asyncio.Future[None]) -> None:
        self._futures.pop(serial, None)
        error: BaseException | None = (
            NotConnected("the write was abandoned") if future.cancelled() else future.exception()
        )
        if error is None:
            self._succeeded(serial)
        elif isinstance(error, Exception):
            self._failed(serial, error)
        else:
            raise error

    def _succeeded(self, serial: int) -> None:
        parcel = self._writing.pop(serial)
        self._trouble = 0
        self.link.healthy()
        self._end(parcel)

    def _failed(self, serial: int, error: Exception) -> None:
        self._failures.append((serial, self._writing.pop(serial), error))
        self._wake.set()

    def _end(self, parcel: Parcel) -> None:
        parcel.done()
        self._release(parcel)
        self._wake.set()

    def _release(self, parcel: Parcel) -> None:
        admitted = [self._gate.admit(freed) for freed in self._gate.ended(parcel)]
        # They are older than anything of their key that waits in front.
        self._front.extendleft(turn for turn in reversed(admitted) if turn is not None)
        self._wake.set()

    async def _recover(self) -> None:
        """Judge every failed write, in the order they were written, and act on it once."""
        await self._quiet()
        failures, self._failures = sorted(self._failures, key=lambda failure: failure[0]), []
        verdicts = [(parcel, self._judge(parcel, error)) for _, parcel, error in failures]
        worst = max((verdict for _, verdict in verdicts), key=lambda verdict: verdict.connection)
        front = [
            piece
            for parcel, verdict in verdicts
            for piece in self._carry_out(parcel, verdict, worst.connection)
        ]
        self._front.extendleft(reversed(front))
        if worst.connection is not Connection.FINE and worst.reason is not None:
            self._trouble += 1
            await self.link.restore(worst.reason, self._trouble, halted=worst.connection is Connection.HALT)
            await self._ask()

    async def _ask(self) -> None:
        """Leave out what arrived although nobody heard of it."""
        try:
            arrived, owed = await still_owed(self.link.endpoint, self._traits, list(self._front))
        except Exception as error:  # noqa: BLE001 -- the sink is judged at the next write; a repeat loses nothing
            log.debug("the sink could not be asked: %s", summary(error))
            return
        self._front = deque(owed)
        for parcel in arrived:
            self._end(parcel)

    def _judge(self, parcel: Parcel, error: Exception) -> Verdict:
        verdict = judge(error, len(parcel), self._traits)
        if verdict.again and not parcel.together and verdict.connection is Connection.FINE:
            # The other pieces of its write come next: they must not pass while it waits.
            verdict.connection = Connection.RECONNECT
        return verdict

    async def _quiet(self) -> None:
        waiting = list(self._futures.values())
        if waiting:
            _, stuck = await asyncio.wait(waiting, timeout=QUIET_SECS)
            for future in stuck:
                future.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def _carry_out(self, parcel: Parcel, verdict: Verdict, connection: Connection) -> list[Parcel]:
        """Do what a verdict says; returns what is written again as soon as the connection is fine."""
        if verdict.done:
            self._end(parcel.part(verdict.done))
        for at, why in verdict.refused.items():
            self._refuse(parcel.part([at]), why)
        again = parcel.part(verdict.again) if verdict.again else None
        if again is not None and self._tried(again, verdict):
            return []
        if again is not None and connection is Connection.FINE:
            self._put_off(again)
            return []
        pieces = [parcel.part(positions) for positions in verdict.narrow]
        for piece in pieces:
            piece.together = False
        return [again] if again is not None else pieces

    def _tried(self, parcel: Parcel, verdict: Verdict) -> bool:
        """Count an attempt; true when it was the last and the events are refused instead."""
        parcel.attempts += 1
        parcel.first_failure = parcel.first_failure or time.time()
        self._counters.retried += len(parcel)
        most = self._retry.attempts
        if most is None or parcel.attempts < most or verdict.connection is Connection.HALT:
            return False
        for at in range(len(parcel)):
            self._refuse(parcel.part([at]), verdict.reason or NotConnected("given up"))
        return True

    def _put_off(self, parcel: Parcel) -> None:
        turn = self._gate.retry(parcel)
        if turn is None:
            return
        wait = full_jitter(parcel.attempts, self._retry.first, self._retry.max)
        heapq.heappush(self._later, (_now() + wait, next(self._serials), turn))

    def _refuse(self, parcel: Parcel, why: Exception) -> None:
        # The key stays closed until the dead letter is confirmed: only then has it ended.
        self._gate.hold(parcel)
        parcel.then = partial(self._release, parcel)
        self._refused(parcel, why)


def _now() -> float:
    return asyncio.get_running_loop().time()

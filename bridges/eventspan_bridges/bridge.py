"""Bridge: one source, steps, routes, sinks, and the acknowledgements between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial

from eventspan import Batch, EndOfStream, Halted, Rejected
from eventspan.endpoint import Bounded, Pausable
from eventspan_bridges.delivery.counters import Counters, Outcome
from eventspan_bridges.delivery.dead_letters import Where, failure, letter
from eventspan_bridges.delivery.ends import Ends
from eventspan_bridges.delivery.flight import Flight
from eventspan_bridges.delivery.ordering import Gate
from eventspan_bridges.delivery.outlet import Outlet
from eventspan_bridges.delivery.overflow import Overflow
from eventspan_bridges.delivery.pace import Pace
from eventspan_bridges.delivery.parcel import Parcel
from eventspan_bridges.delivery.sorting import Refusal, Sorted, Sorter
from eventspan_bridges.delivery.window import Window
from eventspan_bridges.settings import BridgeSettings
from eventspan_bridges.status import State, Status

Changed = Callable[[], None]


class Stopped(Rejected):
    """A record was refused and the bridge file says ``dead_letter: stop``."""


class Bridge:
    """Moves batches from a source to sinks, at least once each.

    A record is acknowledged only after all of it is durable in every sink that must
    have it, or confirmed as a dead letter, or dropped on purpose. ``read`` takes
    batches in; ``lifecycle.run`` starts a bridge and ends it in order.
    """

    def __init__(self, settings: BridgeSettings, ends: Ends, changed: Changed = lambda: None) -> None:
        self.settings = settings
        self.counters = Counters()
        self.status = Status(settings.name, "bridge", changed)
        self.window = Window(settings.delivery.in_flight, settings.delivery.in_flight_bytes)
        self.flights: dict[int, Flight] = {}
        """Batches with a record that has not ended, oldest first."""
        self.stop = asyncio.Event()
        """Set when nothing more is to be read."""
        self.stuck = False
        """Set beside ``stop`` when what is under way cannot get any further."""
        self.failure: Exception | None = None
        self._sizes: dict[int, int] = {}
        self._receiving: asyncio.Future[None] | None = None
        self._ended = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._pace = Pace(settings.limits.rate)
        self.source, traits = ends.source(self._releasing, self._lost, changed)
        self.redelivers = traits.redelivers
        self._finite = traits.finite
        self._sorter = Sorter(settings, counts_deliveries=traits.counts_deliveries)
        self.outlets = {name: self._outlet(ends, name, changed) for name in settings.sinks}
        self._overflows = {
            name: Overflow(self.outlets[name], end.buffer, self.counters)
            for name, end in settings.sinks.items()
            if end.optional
        }
        self.letters = self._letters(ends, changed)

    def _outlet(self, ends: Ends, name: str, changed: Changed) -> Outlet:
        link, traits = ends.sink(name, changed)
        gate = Gate(self.settings.delivery.ordering, keeps_order=traits.keeps_order)
        refused = partial(self._refused, f"sinks.{name}")
        return Outlet(link, traits, gate, self.settings.retry, self.counters, refused)

    def _letters(self, ends: Ends, changed: Changed) -> Outlet | None:
        found = ends.letters(changed)
        if found is None:
            return None
        link, traits = found
        self._native = traits.carries_records
        retry = self.settings.retry.model_copy(update={"attempts": None})
        return Outlet(link, traits, Gate("none", keeps_order=True), retry, Counters(), self._fail)

    @property
    def every_outlet(self) -> list[Outlet]:
        return [*self.outlets.values(), *([self.letters] if self.letters else [])]

    @property
    def halted(self) -> bool:
        """Whether an end without which nothing passes is halted."""
        required = [o for name, o in self.outlets.items() if name not in self._overflows]
        required += [self.letters] if self.letters else []
        states = [self.source.status.state, *(outlet.link.status.state for outlet in required)]
        return State.HALTED in states

    def prod(self) -> None:
        """Look at every halted end now."""
        self.source.prod()
        for outlet in self.every_outlet:
            outlet.link.prod()

    async def read(self, *, bounded: bool = False) -> None:
        """Read until ``stop`` is set, the source ends, or the bridge fails.

        With ``bounded`` the end is fixed at what is there when the source connects.
        """
        await self.source.open()
        if bounded:
            await self._bound()
        self.status.enter(State.RUNNING)
        trouble = 0
        while not self.stop.is_set():
            try:
                await self._admission()
                batch = await self.source.endpoint.read()
            except EndOfStream:
                return
            except Exception as error:  # noqa: BLE001 -- whatever a plug-in raises, its lanes are read again
                trouble += 1
                await self.source.restore(error, trouble, halted=isinstance(error, Halted))
                if bounded:
                    await self._bound()
                continue
            trouble = 0
            self.source.healthy()
            await self._take(batch)

    async def _bound(self) -> None:
        # A finite source has an end of its own, which may lie behind what is there now.
        if not self._finite and isinstance(self.source.endpoint, Bounded):
            await self.source.endpoint.bound()

    async def _take(self, batch: Batch) -> None:
        if self._sorter.asynchronous:
            # A stop must not tear a batch out of a step: it goes on, and is waited for.
            self._receiving = asyncio.ensure_future(self._receive(batch))
            await asyncio.shield(self._receiving)
        else:
            await self._receive(batch)

    async def received(self) -> None:
        """Wait until the batch that was being taken in, if any, is on its way."""
        if self._receiving is not None:
            await asyncio.wait([self._receiving])

    async def _admission(self) -> None:
        await self._open.wait()
        if self.window.full:
            for outlet in self.outlets.values():
                await outlet.flush()
            await self.window.room()

    async def _receive(self, batch: Batch) -> None:
        count = len(batch.events)
        if not count:
            batch.ack()
            return
        self.counters.received += count
        flight = Flight(batch, self.counters, self._flight_ended)
        self.flights[id(flight)] = flight
        # A step may take long, and the window must hold meanwhile; bytes are known after it.
        self.window.add(id(flight), count, 0)
        found = await self._sorter.sort(batch)
        self._sizes[id(flight)] = found.size
        self.window.grow(found.size)
        if found.whole:
            self._send_whole(flight)
        else:
            self._send_sorted(flight, found)
        await self._pace.spend(count)

    def _send_whole(self, flight: Flight) -> None:
        flight.owe_all(len(self.outlets))
        for outlet in self.outlets.values():
            _submit(outlet, Parcel(flight, flight.batch.events))

    def _send_sorted(self, flight: Flight, found: Sorted) -> None:
        flight.owe([owed or 1 for owed in found.owed])
        for name, (events, indexes) in found.deliveries.items():
            if name in self._overflows:
                self._overflows[name].submit(events)
            else:
                _submit(self.outlets[name], Parcel(flight, events, indexes))
        for refusal in found.refused:
            self._refuse(flight, refusal)
        for outcome in set(found.ended.values()):
            flight.done([index for index, how in found.ended.items() if how is outcome], outcome)

    def _refuse(self, flight: Flight, refusal: Refusal) -> None:
        parcel = Parcel(flight, [flight.batch.events[refusal.index]], [refusal.index])
        self._bury(parcel, refusal.error, Where(self.settings.name, "source", refusal.stage))

    def _refused(self, side: str, parcel: Parcel, error: Exception) -> None:
        if side.removeprefix("sinks.") in self._overflows:
            self.counters.dropped += len(parcel)
            parcel.done()
        else:
            self._bury(parcel, error, Where(self.settings.name, side, "write"))

    def _bury(self, parcel: Parcel, error: Exception, where: Where) -> None:
        """Send the record behind a refused event to the dead letters."""
        if self.letters is None:
            self._fail(parcel, Stopped(f"{where.side}: {error}", help="dead_letter: stop"))
            return
        index = parcel.record(0)
        record = parcel.flight.batch.events[index]
        why = failure(where, error, record.transport, parcel.attempts, parcel.first_failure)
        buried = Parcel(
            parcel.flight, [letter(record, why, native=self._native)], [index], None, Outcome.DEADLETTERED
        )
        buried.then = parcel.then
        self.letters.submit(buried)

    def _fail(self, parcel: Parcel, error: Exception) -> None:
        # The record stays unsettled: whoever starts the bridge again gets it again.
        self.failure = self.failure or error
        self.stop.set()
        self._ended.set()

    def _flight_ended(self, flight: Flight, count: int) -> None:
        last = not flight.left
        size = self._sizes.pop(id(flight), 0) if last else 0
        self.window.release(id(flight), count, size, last=last)
        if last:
            self.flights.pop(id(flight), None)
        if last or self.failure is not None:
            self._ended.set()

    async def settled(self, lanes: Collection[str] | None = None) -> None:
        """Wait until nothing, or nothing of these lanes, is under way."""
        while any(lanes is None or flight.touches(lanes) for flight in self.flights.values()):
            if self.failure is not None and not any(outlet.busy for outlet in self.every_outlet):
                return  # what is left is what the failure is about
            self._ended.clear()
            await self._ended.wait()

    async def _releasing(self, lanes: Collection[str]) -> None:
        """Settle lanes that are about to be given up, for as long as that may take."""
        for outlet in self.outlets.values():
            await outlet.flush(lanes)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.settled(lanes), self.settings.delivery.revoke_timeout)
        self._lost(lanes)

    def _lost(self, lanes: Collection[str]) -> None:
        """Drop, unwritten and unsettled, what still waits of lanes that are gone."""
        gone = frozenset(lanes)
        for flight in list(self.flights.values()):
            flight.drop(gone)
        for outlet in self.every_outlet:
            outlet.drop(gone)

    async def pause(self) -> None:
        """Read nothing more; what is under way goes on."""
        self._open.clear()
        for outlet in self.outlets.values():
            await outlet.flush()
        if isinstance(self.source.endpoint, Pausable):
            await self.source.endpoint.pause()
        self.status.enter(State.PAUSED)

    async def resume(self) -> None:
        """Read on after ``pause``."""
        if isinstance(self.source.endpoint, Pausable):
            await self.source.endpoint.resume()
        self._open.set()
        self.status.enter(State.RUNNING)


def _submit(outlet: Outlet, parcel: Parcel) -> None:
    left = parcel.sift()[0] if parcel.flight.dropped else parcel
    if left is not None:
        outlet.submit(left)

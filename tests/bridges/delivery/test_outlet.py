"""Whatever a sink does, nothing is lost, keys keep their order, and the counters add up."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from typing import Any

from hypothesis import event as reached
from hypothesis import given, settings
from hypothesis import strategies as st

from eventspan import Event, Halted, NotConnected, PartialWrite, Rejected, SinkTraits, Span
from eventspan.testing.clock import virtual_time
from eventspan.testing.doubles import Collect, Script
from eventspan.testing.events import numbered
from eventspan_bridges import lifecycle
from harness.bridges import make_bridge

FATES = ("ok", "slow", "cut", "cut later", "written and cut", "some fail", "refused", "halted", "bug")


class Fickle:
    """A sink that meets its contract and does something else at every write.

    Whatever fails takes what was written behind it with it, as ``keeps_order`` demands.
    """

    def __init__(self, fates: list[str], poison: set[int], traits: SinkTraits) -> None:
        self.traits = traits
        self.poison = poison
        self.durable: list[Event] = []
        self.fates = list(fates)
        self._broken = False
        self._last: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        self._broken = False

    async def close(self) -> None:
        """Nothing is held."""

    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> Awaitable[None] | None:
        fate = self.fates.pop(0) if self.fates else "ok"
        reached(fate)
        if self._broken or fate == "cut":
            self._broken = True
            raise NotConnected("cut")
        if fate == "bug":
            raise ZeroDivisionError
        if fate == "halted":
            raise Halted("403")
        if self.traits.keeps_order:
            self._last = asyncio.ensure_future(self._later(fate, list(events), self._last))
            return self._last
        self._take(fate, list(events))
        return None

    async def _later(self, fate: str, events: list[Event], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        await asyncio.sleep(3 if fate == "slow" else 0)
        self._take(fate, events)

    def _take(self, fate: str, events: list[Event]) -> None:
        if self._broken or fate == "cut later":
            self._broken = True
            raise NotConnected("cut")
        bad = {n: Rejected("poison") for n, e in enumerate(events) if int(e.id) in self.poison}
        if bad and fate == "refused":
            self._broken = self.traits.keeps_order
            raise Rejected("one of them")
        failures: dict[int, Exception] = dict(bad)
        if fate == "some fail":
            first = len(events) // 2
            failures |= {n: failures.get(n, TimeoutError()) for n in range(first, len(events))}
            self._broken = self.traits.keeps_order
        self.durable += [e for n, e in enumerate(events) if n not in failures]
        if fate == "written and cut":
            self._broken = True
            raise NotConnected("reply cut off")
        if failures:
            raise PartialWrite(failures)


@settings(max_examples=300, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    keys=st.integers(0, 3),
    fates=st.lists(st.sampled_from(FATES), max_size=12),
    poison=st.sets(st.integers(0, 20), max_size=4),
    keeps_order=st.booleans(),
    idempotent=st.booleans(),
    ordering=st.sampled_from(["key", "lane"]),
)
def test_nothing_is_lost_and_keys_keep_their_order(
    sizes: list[int],
    keys: int,
    fates: list[str],
    poison: set[int],
    keeps_order: bool,
    idempotent: bool,
    ordering: str,
) -> None:
    traits = SinkTraits(keeps_order=keeps_order, idempotent=idempotent)
    sink, dead = Fickle(fates, poison, traits), Collect()
    lines, start = [], 0
    for size in sizes:
        lines.append(numbered(size, start=start, keys=keys))
        start += size
    source = Script(*lines)
    delivery: dict[str, Any] = {"ordering": ordering, "in_flight": 8}

    @virtual_time
    async def run() -> None:
        bridge = make_bridge(source, sink, dead=dead, delivery=delivery)  # type: ignore[arg-type] # another double
        await lifecycle.run(bridge)
        assert bridge.failure is None
        counters = bridge.counters
        assert (counters.received, counters.pending) == (start, 0)
        assert counters.delivered + counters.deadlettered == start
        assert (bridge.window.events, bridge.window.bytes) == (0, 0)
        assert all(outlet.idle for outlet in bridge.every_outlet)

    run()
    assert source.committed == start
    seen = {int(e.id) for e in sink.durable}
    assert seen == set(range(start)) - poison
    assert len(dead.events) == len(poison & set(range(start)))
    first: dict[bytes | None, list[int]] = defaultdict(list)
    for event in sink.durable:
        if int(event.id) not in first[event.transport.key]:
            first[event.transport.key].append(int(event.id))
    for order in first.values():
        assert order == sorted(order)

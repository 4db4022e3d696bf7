"""A bridge between doubles: what arrives, what is acknowledged, and when."""

import asyncio
from collections.abc import Sequence

import pytest

from eventspan import (
    Event,
    Halted,
    NotConnected,
    PartialWrite,
    Rejected,
    SinkTraits,
    SourceTraits,
    Undecodable,
)
from eventspan.event import Transport
from eventspan.testing.clock import virtual_time
from eventspan.testing.doubles import Collect, Script
from eventspan.testing.events import numbered
from eventspan_bridges import lifecycle
from eventspan_bridges.bridge import Stopped
from eventspan_bridges.settings import Buffer
from eventspan_bridges.status import State
from harness.bridges import make_bridge, sink_end


def ids(events: Sequence[Event]) -> list[str]:
    return [event.id for event in events]


async def later(condition: object, steps: int = 200) -> None:
    """Let the loop turn until a condition holds."""
    for _ in range(steps):
        if condition():  # type: ignore[operator] # a lambda
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


@virtual_time
async def test_everything_arrives_and_is_acknowledged() -> None:
    source, sink = Script(numbered(3), numbered(2, start=3)), Collect()
    bridge = make_bridge(source, sink)
    await lifecycle.run(bridge, bounded=True)
    assert sink.ids == ["0", "1", "2", "3", "4"]
    assert source.committed == 5
    assert (bridge.counters.received, bridge.counters.delivered, bridge.counters.pending) == (5, 5, 0)
    assert (source.closes, sink.closes) == (1, 1)


@virtual_time
async def test_nothing_is_acknowledged_before_it_is_durable() -> None:
    source, sink = Script(numbered(2), numbered(2, start=2)), Collect()
    sink.cue(sink.hold, sink.hold)
    task = asyncio.create_task(lifecycle.run(make_bridge(source, sink)))
    await later(lambda: len(sink.held) == 2)
    assert source.acked == []
    sink.held[1].set_result(None)
    await later(lambda: len(source.acked) == 2)
    assert source.committed == 0
    sink.held[0].set_result(None)
    await task
    assert source.committed == 4


@virtual_time
async def test_a_lost_connection_is_restored_and_the_order_kept() -> None:
    source, sink = Script(*[numbered(2, start=n) for n in (0, 2, 4)]), Collect()
    sink.cue(*[sink.later(NotConnected("cut"))] * 3)
    await lifecycle.run(make_bridge(source, sink))
    assert sink.ids == ["0", "1", "2", "3", "4", "5"]
    assert sink.connects >= 2
    assert source.committed == 6


@virtual_time
async def test_an_ambiguous_reply_repeats_and_loses_nothing() -> None:
    source, sink = Script(numbered(2)), Collect()
    sink.cue(sink.ambiguous(TimeoutError()))
    await lifecycle.run(make_bridge(source, sink))
    assert sink.ids == ["0", "1", "0", "1"]
    assert source.committed == 2


@virtual_time
async def test_an_error_nobody_has_foreseen_is_tried_again() -> None:
    source, sink = Script(numbered(2)), Collect(ZeroDivisionError(), ZeroDivisionError())
    await lifecycle.run(make_bridge(source, sink))
    assert sink.ids == ["0", "1"]


@virtual_time
async def test_only_what_failed_is_written_again() -> None:
    source, sink = Script(numbered(4)), Collect()
    sink.cue(sink.refuse(["1", "3"], TimeoutError()))
    bridge = make_bridge(source, sink)
    await lifecycle.run(bridge)
    assert [ids(call) for call in sink.calls] == [["0", "1", "2", "3"], ["1", "3"]]
    assert bridge.counters.retried == 2


@virtual_time
async def test_a_waiting_event_does_not_hold_the_acknowledgements_of_the_rest() -> None:
    source, sink = Script(numbered(3, keys=3)), Collect()
    sink.cue(sink.refuse(["1"], TimeoutError()), sink.hold)
    task = asyncio.create_task(lifecycle.run(make_bridge(source, sink, retry={"first": 5.0, "max": 5.0})))
    await later(lambda: len(source.acked) == 2)
    assert ids(source.acked) == ["0", "2"]
    await asyncio.sleep(6)
    sink.held[0].set_result(None)
    await task
    assert source.committed == 3


@virtual_time
async def test_an_event_waits_for_the_one_before_it_of_its_key() -> None:
    source = Script(numbered(4, keys=2), numbered(4, start=4, keys=2))
    sink = Collect()
    sink.cue(sink.refuse(["0", "2"], TimeoutError()))
    await lifecycle.run(make_bridge(source, sink))
    even = [i for i in sink.ids if int(i) % 2 == 0]
    assert even == ["0", "2", "4", "6"]
    assert [i for i in sink.ids if int(i) % 2] == ["1", "3", "5", "7"]


@virtual_time
async def test_without_ordering_nothing_waits() -> None:
    source, sink = Script(numbered(1, keys=1), numbered(1, start=1, keys=1)), Collect()
    sink.cue(sink.refuse(["0"], TimeoutError()))
    bridge = make_bridge(source, sink, delivery={"ordering": "none"}, retry={"first": 9.0, "max": 9.0})
    await lifecycle.run(bridge)
    assert sink.ids == ["1", "0"]


@virtual_time
async def test_lane_ordering_has_one_write_of_a_lane_under_way() -> None:
    source, sink = Script(numbered(2), numbered(2, start=2)), Collect()
    for event in source._lines[0]:  # type: ignore[union-attr] # the script's own events
        assert event.transport.lane == ""
    sink.cue(sink.hold, sink.hold)
    task = asyncio.create_task(lifecycle.run(make_bridge(source, sink, delivery={"ordering": "lane"})))
    await later(lambda: len(sink.held) == 1)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(sink.calls) == 1
    sink.held[0].set_result(None)
    await later(lambda: len(sink.held) == 2)
    sink.held[1].set_result(None)
    await task
    assert [ids(call) for call in sink.calls] == [["0", "1"], ["2", "3"]]


@virtual_time
async def test_a_sink_without_order_never_has_two_events_of_a_key() -> None:
    source = Script(numbered(6, keys=2), numbered(2, start=6, keys=2))
    sink = Collect(traits=SinkTraits(keeps_order=False))
    await lifecycle.run(make_bridge(source, sink))
    for call in sink.calls:
        keys = [event.transport.key for event in call]
        assert len(keys) == len(set(keys))
    assert [i for i in sink.ids if int(i) % 2 == 0] == ["0", "2", "4", "6"]
    assert source.committed == 8


@virtual_time
async def test_a_rejected_event_becomes_a_dead_letter_before_it_is_acknowledged() -> None:
    source, sink, dead = Script(numbered(3)), Collect(), Collect()
    sink.cue(sink.refuse(["1"], Rejected("too large")))
    dead.cue(NotConnected("down"), NotConnected("down"))
    bridge = make_bridge(source, sink, dead=dead)
    await lifecycle.run(bridge)
    assert sink.ids == ["0", "2"]
    assert bridge.counters.deadlettered == 1
    assert source.committed == 3
    assert len(dead.events) == 1
    assert len(dead.calls) == 3


@virtual_time
async def test_a_key_waits_for_the_dead_letter_of_the_event_before() -> None:
    source = Script(numbered(1, keys=1), numbered(1, start=1, keys=1))
    sink, dead = Collect(traits=SinkTraits(keeps_order=False)), Collect()
    sink.cue(Rejected("no"))
    dead.cue(dead.hold)
    task = asyncio.create_task(lifecycle.run(make_bridge(source, sink, dead=dead)))
    await later(lambda: len(dead.held) == 1)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(sink.calls) == 1
    dead.held[0].set_result(None)
    await task
    assert sink.ids == ["1"]


@virtual_time
async def test_a_dead_letter_that_is_refused_halts_and_is_never_dropped() -> None:
    source, sink, dead = Script(numbered(1)), Collect(Rejected("no")), Collect(Rejected("nor here"))
    bridge = make_bridge(source, sink, dead=dead)
    task = asyncio.create_task(lifecycle.run(bridge))
    await asyncio.sleep(1)
    assert bridge.halted
    assert source.acked == []
    await task
    assert len(dead.events) == 1
    assert source.committed == 1


@virtual_time
async def test_stop_instead_of_dead_letters() -> None:
    source, sink = Script(numbered(3)), Collect()
    sink.cue(sink.refuse(["1"], Rejected("no")))
    bridge = make_bridge(source, sink)
    await lifecycle.run(bridge)
    assert isinstance(bridge.failure, Stopped)
    assert source.committed == 0
    assert ids(event for event, _ in source.nacked) == ["1"]  # type: ignore[arg-type] # a generator


@pytest.mark.parametrize("traits", [SinkTraits(), SinkTraits(idempotent=True), SinkTraits(atomic=True)])
@pytest.mark.parametrize("bad", [{0}, {4}, {9}, {2, 3}, set(range(10))])
def test_isolation_finds_exactly_the_bad(traits: SinkTraits, bad: set[int]) -> None:
    @virtual_time
    async def run() -> tuple[Collect, Collect]:
        source, dead = Script(numbered(10)), Collect()
        sink = Collect(traits=traits)

        def refuse(events: Sequence[Event]) -> None:
            if any(int(event.id) in bad for event in events):
                raise Rejected("one of them")
            sink.events += events

        sink.cue(*[refuse] * 50)
        bridge = make_bridge(source, sink, dead=dead, delivery={"ordering": "lane"})
        await lifecycle.run(bridge)
        assert source.committed == 10
        return sink, dead

    sink, dead = run()
    assert sink.ids == [str(n) for n in range(10) if n not in bad]
    assert len(dead.events) == len(bad)


@virtual_time
async def test_a_halted_sink_is_probed_and_advances_nothing() -> None:
    source, sink = Script(numbered(2)), Collect(Halted("403"), Halted("403"))
    bridge = make_bridge(source, sink)
    task = asyncio.create_task(lifecycle.run(bridge))
    await asyncio.sleep(59)
    assert (len(sink.calls), source.acked, bridge.halted) == (1, [], True)
    await asyncio.sleep(2)
    assert len(sink.calls) == 2
    await asyncio.sleep(100)
    assert len(sink.calls) == 2
    bridge.prod()
    await task
    assert source.committed == 2


@virtual_time
async def test_a_source_that_halts_and_one_that_loses_its_connection() -> None:
    source = Script(NotConnected("cut"), numbered(1), Halted("401"), numbered(1, start=1))
    sink = Collect()
    bridge = make_bridge(source, sink)
    task = asyncio.create_task(lifecycle.run(bridge))
    await asyncio.sleep(50)
    assert bridge.source.status.state is State.HALTED
    assert sink.ids == ["0"]
    await task
    assert sink.ids == ["0", "1"]


@virtual_time
async def test_every_sink_must_have_an_event() -> None:
    source, one, two = Script(numbered(3)), Collect(), Collect()
    two.cue(two.hold)
    task = asyncio.create_task(lifecycle.run(make_bridge(source, one, two)))
    await later(lambda: len(two.held) == 1)
    assert one.ids == ["0", "1", "2"]
    assert source.acked == []
    two.held[0].set_result(None)
    await task
    assert source.committed == 3


@virtual_time
async def test_nobody_waits_for_an_optional_sink() -> None:
    source, sink, slow = Script(numbered(2), numbered(3, start=2)), Collect(), Collect()
    slow.cue(slow.never)
    end = sink_end(slow, "sinks.live", optional=True, buffer=Buffer(events=4))
    bridge = make_bridge(source, sink, named={"live": end})
    await lifecycle.run(bridge)
    assert source.committed == 5
    assert (bridge.counters.dropped, bridge.counters.pending) == (1, 0)


@virtual_time
async def test_the_window_holds_the_source_back() -> None:
    source, sink = Script(*[numbered(2, start=2 * n) for n in range(5)]), Collect()
    sink.cue(*[sink.hold] * 5)
    bridge = make_bridge(source, sink, delivery={"in_flight": 4})
    task = asyncio.create_task(lifecycle.run(bridge))
    await later(lambda: len(sink.held) == 2)
    for _ in range(50):
        await asyncio.sleep(0)
    assert (len(sink.held), bridge.window.events) == (2, 4)
    for n in range(5):
        await later(lambda n=n: len(sink.held) > n)
        sink.held[n].set_result(None)
    await task
    assert source.committed == 10


@virtual_time
async def test_bytes_count_too_and_an_oversize_batch_passes_alone() -> None:
    big = Event(Transport(body=b"x" * 100), None, None, ({"id": "big", "specversion": "1.0"}, b"x"))
    source, sink = Script([big], [big]), Collect()
    sink.cue(sink.hold, sink.hold)
    bridge = make_bridge(source, sink, delivery={"in_flight_bytes": 10})
    task = asyncio.create_task(lifecycle.run(bridge))
    await later(lambda: len(sink.held) == 1)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(sink.held) == 1
    sink.held[0].set_result(None)
    await later(lambda: len(sink.held) == 2)
    sink.held[1].set_result(None)
    await task
    assert (bridge.window.bytes, bridge.window.events) == (0, 0)


@virtual_time
async def test_a_fault_of_the_record_is_a_dead_letter_with_its_raw_bytes() -> None:
    raw = Transport(address="t", lane="t:0", position=7, body=b"\xff\x00", headers=[("h", b"v")])
    source = Script([*numbered(1), Event(raw, None, Undecodable("no id")), *numbered(1, start=2)])
    sink, dead = Collect(), Collect(traits=SinkTraits(keeps_order=True, carries_records=True))
    bridge = make_bridge(source, sink, dead=dead)
    await lifecycle.run(bridge)
    assert sink.ids == ["0", "2"]
    (buried,) = dead.events
    assert buried.transport.body == b"\xff\x00"
    headers = dict(buried.transport.headers)
    assert headers["h"] == b"v"
    assert headers["eventspan-dlq-reason"] == b"Undecodable: no id"
    assert headers["eventspan-dlq-lane"] == b"t:0"
    assert headers["eventspan-dlq-position"] == b"7"


@virtual_time
async def test_a_stop_drains_what_is_under_way() -> None:
    source, sink = Script(numbered(2), ends=False), Collect()
    sink.cue(sink.hold)
    bridge = make_bridge(source, sink)
    task = asyncio.create_task(lifecycle.run(bridge))
    await later(lambda: len(sink.held) == 1)
    bridge.stop.set()
    await asyncio.sleep(5)
    assert not task.done()
    sink.held[0].set_result(None)
    await task
    assert (source.committed, bridge.counters.pending, source.closes, sink.closes) == (2, 0, 1, 1)


@virtual_time
async def test_a_stop_waits_for_a_step_that_is_at_work() -> None:
    class Slow:
        name = "python"
        asynchronous = True

        async def __call__(self, event: Event) -> Event:
            await asyncio.sleep(2)
            return event

    source, sink = Script(numbered(3), ends=False), Collect()
    bridge = make_bridge(source, sink, steps=(Slow(),))
    task = asyncio.create_task(lifecycle.run(bridge))
    await asyncio.sleep(1)
    bridge.stop.set()
    await task
    assert (sink.ids, source.committed, bridge.counters.pending) == (["0", "1", "2"], 3, 0)


@virtual_time
async def test_what_is_not_settled_in_time_is_given_back() -> None:
    source, sink = Script(numbered(2), ends=False), Collect()
    sink.cue(sink.never)
    bridge = make_bridge(source, sink, delivery={"drain_timeout": 3.0})
    task = asyncio.create_task(lifecycle.run(bridge))
    await later(lambda: len(sink.calls) == 1)
    bridge.stop.set()
    await task
    assert (bridge.counters.pending, len(source.nacked), source.committed) == (2, 2, 0)


@virtual_time
async def test_a_source_that_does_not_redeliver_is_given_nothing_back() -> None:
    source = Script(numbered(2), ends=False, traits=SourceTraits(redelivers=False))
    sink = Collect()
    sink.cue(sink.never)
    bridge = make_bridge(source, sink, delivery={"drain_timeout": 1.0})
    task = asyncio.create_task(lifecycle.run(bridge))
    await later(lambda: len(sink.calls) == 1)
    bridge.stop.set()
    await task
    assert (source.nacked, source.acked) == ([], [])


@virtual_time
async def test_lanes_are_released_settled() -> None:
    source, sink = Script(numbered(2), ends=False), Collect()
    sink.cue(sink.hold)
    bridge = make_bridge(source, sink)
    task = asyncio.create_task(lifecycle.run(bridge))
    await later(lambda: len(sink.held) == 1)
    releasing = asyncio.create_task(source.context.releasing([source.lane]))  # type: ignore[attr-defined] # set by the harbour
    await asyncio.sleep(1)
    assert not releasing.done()
    sink.held[0].set_result(None)
    await releasing
    assert source.committed == 2
    bridge.stop.set()
    await task


@virtual_time
async def test_a_release_that_takes_too_long_drops_the_lane() -> None:
    source, sink = Script(numbered(2), numbered(2, start=2), ends=False), Collect()
    sink.cue(sink.refuse(["0"], TimeoutError()), Halted("403"))
    bridge = make_bridge(source, sink, delivery={"revoke_timeout": 4.0}, retry={"first": 60.0, "max": 60.0})
    task = asyncio.create_task(lifecycle.run(bridge))
    await later(lambda: bridge.counters.received == 4)
    await source.context.releasing([source.lane])  # type: ignore[attr-defined] # set by the harbour
    assert asyncio.get_running_loop().time() >= 4.0
    assert bridge.counters.pending == 0
    assert bridge.counters.stale >= 1
    bridge.stop.set()
    await task
    assert bridge.every_outlet[0].idle


@virtual_time
async def test_a_cut_behind_a_failed_event_does_not_let_its_key_pass() -> None:
    source = Script(numbered(2, keys=1), numbered(2, start=2, keys=1))
    sink = Collect()
    sink.cue(sink.later(PartialWrite({1: TimeoutError()})), sink.later(NotConnected("cut")))
    await lifecycle.run(make_bridge(source, sink, retry={"first": 20.0, "max": 20.0}))
    assert sink.ids == ["0", "1", "2", "3"]


@virtual_time
async def test_a_sink_that_knows_how_far_it_got_is_asked_instead_of_written_twice() -> None:
    class Knowing(Collect):
        reached: int | None = None

        async def delivered(self, lane: str) -> int | None:
            return self.reached

    source, sink = Script(numbered(2), numbered(2, start=2), numbered(1, start=4)), Knowing()

    def landed(events: Sequence[Event]) -> None:
        sink.events += events
        sink.reached = 2
        raise NotConnected("reply cut off")

    sink.cue(landed)
    await lifecycle.run(make_bridge(source, sink))
    assert sink.ids == ["0", "1", "2", "3", "4"]
    assert source.committed == 5


@virtual_time
async def test_an_event_that_stays_too_long_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "eventspan")
    source, sink = Script(numbered(1)), Collect()
    sink.cue(sink.hold)
    task = asyncio.create_task(lifecycle.run(make_bridge(source, sink, delivery={"max_age": 10.0})))
    await asyncio.sleep(60)
    assert [r.getMessage() for r in caplog.records].count("stalled") == 1
    sink.held[0].set_result(None)
    await task


@virtual_time
async def test_retries_end_where_the_file_says_so() -> None:
    source, sink, dead = Script(numbered(2)), Collect(), Collect()
    sink.cue(*[sink.refuse(["1"], TimeoutError())] * 3)
    bridge = make_bridge(source, sink, dead=dead, retry={"attempts": 3})
    await lifecycle.run(bridge)
    assert (sink.ids, len(dead.events), source.committed) == (["0"], 1, 2)


@virtual_time
async def test_writes_hold_no_more_events_than_the_sink_takes() -> None:
    source, sink = Script(numbered(5)), Collect(traits=SinkTraits(keeps_order=True, max_events=2))
    await lifecycle.run(make_bridge(source, sink))
    assert [ids(call) for call in sink.calls] == [["0", "1"], ["2", "3"], ["4"]]
    assert source.committed == 5


@virtual_time
async def test_partial_failures_of_pipelined_writes_keep_their_order() -> None:
    source = Script(numbered(2, keys=1), numbered(2, start=2, keys=1), numbered(2, start=4, keys=1))
    sink = Collect()
    sink.cue(
        sink.later(PartialWrite({1: TimeoutError()})),
        sink.later(PartialWrite({0: TimeoutError(), 1: TimeoutError()})),
        sink.later(PartialWrite({0: TimeoutError(), 1: TimeoutError()})),
    )
    await lifecycle.run(make_bridge(source, sink))
    assert sink.ids == ["0", "1", "2", "3", "4", "5"]

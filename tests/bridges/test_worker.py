"""Many bridges in one worker: none disturbs another, and the exit code tells what is left."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eventspan import Batch, ConfigError, Context, Halted, Rejected
from eventspan.state import MemoryStore
from eventspan.state_sqlite import SqliteStore
from eventspan.testing.clock import virtual_time
from eventspan.testing.doubles import Collect, Script
from eventspan.testing.events import numbered
from eventspan_bridges.settings import BridgeSettings
from eventspan_bridges.status import State
from eventspan_bridges.worker import Worker
from harness.bridges import bridge_settings


def settings_of(name: str, source: Script, sink: Collect, **more: Any) -> BridgeSettings:
    return bridge_settings(source, {"s": sink}, name=name, **more)


@virtual_time
async def test_a_drained_worker_exits_with_0() -> None:
    one, two = Script(numbered(2)), Script(numbered(3))
    worker = Worker(
        [settings_of("one", one, Collect()), settings_of("two", two, Collect())], MemoryStore(), bounded=True
    )
    assert await worker.run() == 0
    assert (one.committed, two.committed) == (2, 3)
    assert {b.status.state for b in worker.bridges.values()} == {State.DONE}


@virtual_time
async def test_a_failing_bridge_leaves_the_others_alone() -> None:
    good, bad, sink = Script(numbered(3)), Script(numbered(3)), Collect()
    sink.cue(sink.refuse(["0"], Rejected("no")))
    worker = Worker(
        [settings_of("bad", bad, sink), settings_of("good", good, Collect())],
        MemoryStore(),
        bounded=True,
    )
    assert await worker.run() == 1
    assert good.committed == 3
    assert bad.committed == 0
    assert list(worker.failed) == ["bad"]


@virtual_time
async def test_a_bridge_that_cannot_be_built_leaves_the_others_alone() -> None:
    class Wrong(Script):
        async def connect(self) -> None:
            raise ConfigError("never")

    good = Script(numbered(1))
    worker = Worker(
        [settings_of("wrong", Wrong(), Collect()), settings_of("good", good, Collect())],
        MemoryStore(),
        bounded=True,
    )
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(10)
    assert good.committed == 1
    assert await task == 3


@virtual_time
async def test_a_bounded_run_ends_with_3_when_all_that_is_left_is_halted() -> None:
    stuck, good = Script(numbered(2)), Script(numbered(2))
    refusing = Collect(*[Halted("403")] * 20)
    worker = Worker(
        [
            settings_of("stuck", stuck, refusing, delivery={"drain_timeout": 1.0}),
            settings_of("good", good, Collect()),
        ],
        MemoryStore(),
        bounded=True,
    )
    assert await worker.run() == 3
    assert (stuck.committed, good.committed) == (0, 2)
    assert asyncio.get_running_loop().time() < 30


@virtual_time
async def test_an_unbounded_run_goes_on_while_halted() -> None:
    sink = Collect(Halted("403"), Halted("403"))
    source = Script(numbered(2), ends=False)
    worker = Worker([settings_of("b", source, sink)], MemoryStore())
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(500)
    assert source.committed == 2
    worker.drain()
    assert await task == 0


@virtual_time
async def test_prodding_looks_at_once() -> None:
    sink = Collect(Halted("403"))
    source = Script(numbered(1), ends=False)
    worker = Worker([settings_of("b", source, sink)], MemoryStore())
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(5)
    assert worker.bridges["b"].halted
    worker.prod()
    await asyncio.sleep(1)
    assert source.committed == 1
    worker.drain()
    assert await task == 0


@virtual_time
async def test_draining_stops_with_3_when_something_is_pending() -> None:
    sink = Collect()
    sink.cue(sink.never)
    worker = Worker([settings_of("b", Script(numbered(1), ends=False), sink)], MemoryStore())
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(1)
    worker.drain()
    assert await task == 3


@virtual_time
async def test_a_defect_in_a_source_restarts_its_bridge_alone() -> None:
    class Broken(Collect):
        async def close(self) -> None:
            raise ZeroDivisionError

    worker = Worker([settings_of("b", Script(numbered(2)), Broken())], MemoryStore(), bounded=True)
    assert await worker.run() == 0


@virtual_time
async def test_a_second_run_of_a_bridge_is_refused() -> None:
    state = MemoryStore()
    held = state.acquire("b", "@run", "somebody")
    worker = Worker([settings_of("b", Script(), Collect())], state)
    with pytest.raises(ConfigError, match="running already"):
        await worker.run()
    state.release(held)
    assert Context().state is not state


async def test_a_run_that_was_killed_does_not_keep_the_next_from_starting(tmp_path: Path) -> None:
    _kill_a_run(tmp_path)
    state, source = SqliteStore(tmp_path), Script(numbered(1))
    worker = Worker([settings_of("b", source, Collect())], state, bounded=True)
    assert await worker.run() == 0
    assert source.committed == 1
    state.close()


_HOLD = """
import os, signal, sys
from pathlib import Path
from eventspan.owner import current
from eventspan.state_sqlite import SqliteStore
SqliteStore(Path(sys.argv[1])).acquire("b", "@run", current())
os.kill(os.getpid(), signal.SIGKILL)
"""


def _kill_a_run(state: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", _HOLD, str(state)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL


@virtual_time
async def test_a_refusal_that_stops_the_bridge_does_not_wait_for_itself() -> None:
    source, sink = Script(numbered(3), numbered(2, start=3), ends=False), Collect()
    sink.cue(sink.refuse(["1"], Rejected("no")))
    worker = Worker([settings_of("b", source, sink)], MemoryStore())
    assert await worker.run() == 1
    assert asyncio.get_running_loop().time() < 5


@virtual_time
async def test_a_defect_that_stays_ends_a_bounded_run() -> None:
    class Defective(Script):
        async def read(self) -> Batch:
            return None  # type: ignore[return-value] # the defect

    worker = Worker([settings_of("b", Defective(numbered(1)), Collect())], MemoryStore(), bounded=True)
    assert await worker.run() == 1
    assert list(worker.failed) == ["b"]

import asyncio
import threading
import time

import pytest

from eventspan.testing import virtual_time
from eventspan.testing.clock import VirtualTimeLoop


@virtual_time
async def test_sleeping_takes_no_time() -> None:
    begun = time.monotonic()
    await asyncio.sleep(3600)
    assert asyncio.get_running_loop().time() == pytest.approx(3600)
    assert time.monotonic() - begun < 60


@virtual_time
async def test_timers_end_in_their_order() -> None:
    ended: list[int] = []

    async def sleeper(secs: int) -> None:
        await asyncio.sleep(secs)
        ended.append(secs)

    await asyncio.gather(sleeper(30), sleeper(10), sleeper(20))
    assert ended == [10, 20, 30]


@virtual_time
async def test_a_timeout_strikes() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await asyncio.Event().wait()


@virtual_time
async def test_time_stands_still_for_a_thread() -> None:
    go = threading.Event()
    loop = asyncio.get_running_loop()
    late = asyncio.create_task(asyncio.sleep(100))
    work = loop.run_in_executor(None, go.wait)
    await asyncio.sleep(0)
    threading.Timer(0.01, go.set).start()
    await work
    assert loop.time() == 0
    assert not late.done()


async def test_the_decorator_needs_no_loop_of_its_own() -> None:
    @virtual_time
    async def which() -> bool:
        return isinstance(asyncio.get_running_loop(), VirtualTimeLoop)

    assert await asyncio.to_thread(which)

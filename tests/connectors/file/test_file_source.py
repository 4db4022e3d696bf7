"""Reading files: whatever happens to them, no line is lost and none is made up."""

# ruff: noqa: ASYNC240 -- the files of a test are small

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eventspan import Batch, ConfigError, Context, EndOfStream, Event, Halted, PositionLost, Undecodable
from eventspan.endpoint import Level
from eventspan.formats import json
from eventspan.state import LeaseTaken, MemoryStore
from eventspan.testing import numbered
from eventspan_connectors.file.config import SourceSettings
from eventspan_connectors.file.source import FileSource

LINES = [json.encode(event) + b"\n" for event in numbered(9)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in.jsonl"


@pytest.fixture
def context() -> Context:
    return Context(bridge="b", state=MemoryStore())


@asynccontextmanager
async def reading(context: Context, *paths: Path, **settings: object) -> AsyncIterator[FileSource]:
    values = {"path": list(paths), "poll": "5ms", **settings}
    source = FileSource(SourceSettings.model_validate(values), context)
    try:
        await source.connect()
        yield source
    finally:
        await source.close()


async def everything(source: FileSource) -> list[Event]:
    found: list[Event] = []
    while True:
        try:
            batch = await source.read()
        except EndOfStream:
            return found
        found += batch.events
        batch.ack()


async def events(source: FileSource) -> Batch:
    async with asyncio.timeout(10):
        while not (batch := await source.read()).events:
            batch.ack()
        return batch


async def test_a_line_that_is_no_event_is_named_and_kept(path: Path, context: Context) -> None:
    path.write_bytes(LINES[0] + b'{"specversion": "1.0", !}\n' + LINES[1] + b'{"id":"1"}\n[]\n\xff\n')
    async with reading(context, path) as source:
        found = await everything(source)
    assert [event.id for event in found if event.fault is None] == ["0", "1"]
    faults = [event for event in found if event.fault is not None]
    assert [event.transport.body for event in faults] == [
        b'{"specversion": "1.0", !}',
        b'{"id":"1"}',
        b"[]",
        b"\xff",
    ]
    assert [str(event.fault).split(" ")[0] for event in faults] == [
        f"{path}:2:24:",
        f"{path}:4:1:",
        f"{path}:5:1:",
        f"{path}:6:1:",
    ]
    with pytest.raises(Undecodable):
        _ = faults[0].id


async def test_blank_lines_and_windows_line_ends_are_no_events(path: Path, context: Context) -> None:
    path.write_bytes(b"\n \n" + LINES[0].replace(b"\n", b"\r\n") + b"\n\n" + LINES[1] + b"\n\n")
    async with reading(context, path) as source:
        assert [event.id for event in await everything(source)] == ["0", "1"]
        assert await source.lag() == {str(path): 0}


async def test_the_last_line_needs_no_end_when_nothing_follows(path: Path, context: Context) -> None:
    path.write_bytes(LINES[0] + LINES[1].rstrip())
    async with reading(context, path) as source:
        assert [event.id for event in await everything(source)] == ["0", "1"]
    with path.open("ab") as file:
        file.write(b"\n" + LINES[2])
    async with reading(context, path) as source:
        assert [event.id for event in await everything(source)] == ["2"]


async def test_a_line_being_written_is_waited_for(path: Path, context: Context) -> None:
    path.write_bytes(LINES[0] + LINES[1][:9])
    async with reading(context, path, follow=True) as source:
        assert [event.id for event in (await events(source)).events] == ["0"]
        pending = asyncio.create_task(events(source))
        with path.open("ab", buffering=0) as file:
            for n in range(9, len(LINES[1])):
                file.write(LINES[1][n : n + 1])
                await asyncio.sleep(0)
        assert [event.id for event in (await pending).events] == ["1"]


async def test_bound_of_a_growing_file_leaves_the_unfinished_line(path: Path, context: Context) -> None:
    path.write_bytes(LINES[0] + LINES[1][:9])
    async with reading(context, path, follow=True) as source:
        await source.bound()
        assert [event.id for event in await everything(source)] == ["0"]
    with path.open("ab") as file:
        file.write(LINES[1][9:])
    async with reading(context, path) as source:
        assert [event.id for event in await everything(source)] == ["1"]


def replaced(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"".join(LINES[3:]))


def cut(path: Path) -> None:
    path.write_bytes(LINES[0])


def changed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"1"', b'"7"'))


@pytest.mark.parametrize("harm", [replaced, cut, changed])
async def test_another_file_is_no_place_to_go_on(
    path: Path, context: Context, harm: Callable[[Path], None]
) -> None:
    path.write_bytes(b"".join(LINES[:2]))
    async with reading(context, path) as source:
        await everything(source)
    harm(path)
    with pytest.raises(PositionLost, match=r"in\.jsonl") as lost:
        async with reading(context, path):
            pass
    assert "eventspan offsets set" in str(lost.value.help)


@pytest.mark.parametrize("stored", ["", "2:0:1:x", "1:9", "1:0:1:zz", "earliest"])
async def test_a_position_of_another_kind_is_lost(path: Path, context: Context, stored: str) -> None:
    path.write_bytes(LINES[0])
    context.state.reset("b", str(path), stored)
    with pytest.raises(PositionLost, match="no position"):
        async with reading(context, path):
            pass


async def test_an_offset_set_by_hand_is_a_position(path: Path, context: Context) -> None:
    path.write_bytes(b"".join(LINES[:3]))
    context.state.reset("b", str(path), len(LINES[0]))
    async with reading(context, path) as source:
        assert [event.id for event in await everything(source)] == ["1", "2"]


@pytest.mark.parametrize("harm", [replaced, Path.unlink, lambda path: path.rename(f"{path}.1")])
async def test_a_rotated_file_is_read_to_its_end_first(
    path: Path, context: Context, harm: Callable[[Path], None]
) -> None:
    path.write_bytes(b"".join(LINES[:4]))
    async with reading(context, path, follow=True, batch=2) as source:
        first = await events(source)
        harm(path)
        rest = await events(source)
        assert [event.id for event in [*first.events, *rest.events]] == ["0", "1", "2", "3"]
        with pytest.raises(PositionLost, match="moved, deleted or replaced"):
            await source.read()


async def test_a_file_cut_while_it_is_read(path: Path, context: Context) -> None:
    path.write_bytes(b"".join(LINES))
    async with reading(context, path, follow=True) as source:
        await events(source)
        path.write_bytes(LINES[0])
        with pytest.raises(PositionLost, match="was read up to"):
            await source.read()


async def test_a_line_too_long_stops_and_moves_nothing(path: Path, context: Context) -> None:
    path.write_bytes(LINES[0] + b"x" * 5000 + b"\n" + LINES[1])
    async with reading(context, path, max_line="4KiB") as source:
        (await events(source)).ack()
        with pytest.raises(Halted, match=rf"{path.name}:2: the line is longer than 4096 bytes"):
            await source.read()
    async with reading(context, path) as source:
        assert [event.fault is None for event in await everything(source)] == [False, True]


async def test_a_line_longer_than_a_block(path: Path, context: Context) -> None:
    large = json.encode(numbered(1, data=b"x" * 3_000_000)[0])
    path.write_bytes(LINES[0] + large + b"\n" + LINES[1])
    async with reading(context, path) as source:
        found = await everything(source)
    assert [len(event.data or b"") for event in found][1] == 3_000_000
    assert len(found) == 3


async def test_files_are_lanes_of_their_own(tmp_path: Path, context: Context) -> None:
    left, right = tmp_path / "left", tmp_path / "right"
    left.write_bytes(b"".join(LINES[:4]))
    right.write_bytes(b"".join(LINES[4:]))
    async with reading(context, left, right, batch=3) as source:
        seen: dict[str, list[str]] = {str(left): [], str(right): []}
        batches = 0
        while batches < 4:
            batch = await events(source)
            batches += 1
            for span in batch.spans:
                seen[span.lane] += [event.id for event in batch.events[span.start : span.stop]]
            if sum(map(len, seen.values())) == len(LINES):
                break
        assert seen == {str(left): ["0", "1", "2", "3"], str(right): ["4", "5", "6", "7", "8"]}


async def test_latest_skips_what_is_there_but_nothing_after_a_restart(path: Path, context: Context) -> None:
    path.write_bytes(b"".join(LINES[:2]))
    async with reading(context, path, start="latest"):
        pass
    with path.open("ab") as file:
        file.write(LINES[2])
    async with reading(context, path, start="latest") as source:
        assert [event.id for event in await everything(source)] == ["2"]


async def test_what_is_no_line_is_no_target(path: Path, context: Context) -> None:
    path.write_bytes(b"".join(LINES))
    lane = str(path)
    async with reading(context, path) as source:
        for target in (3, -1, 10**9, datetime.now(UTC)):
            with pytest.raises(ConfigError):
                await source.seek({lane: target})
        with pytest.raises(ConfigError, match="no file that is read"):
            await source.seek({"other": "latest"})


async def test_a_file_in_use_by_another_run_is_refused(path: Path, context: Context) -> None:
    path.write_bytes(LINES[0])
    context.state.acquire("b", str(path), "another run")
    with pytest.raises(LeaseTaken):
        async with reading(context, path):
            pass


async def test_a_failed_acknowledgement_surfaces_and_is_repaired(path: Path, context: Context) -> None:
    path.write_bytes(b"".join(LINES[:2]))
    async with reading(context, path, follow=True) as source:
        batch = await events(source)
        context.state.acquire("b", str(path), source._leases[str(path)].owner)
        batch.ack()
        async with asyncio.timeout(10):
            with pytest.raises(Halted, match="new owner"):
                await source.read()
        await source.connect()
        assert [event.id for event in (await events(source)).events] == ["0", "1"]


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "loop"])
async def test_what_is_no_file_is_refused(tmp_path: Path, context: Context, kind: str) -> None:
    target = tmp_path / kind
    if kind == "folder":
        target.mkdir()
    elif kind == "pipe":
        os.mkfifo(target)
    elif kind == "loop":
        target.symlink_to(target)
    source = FileSource(SourceSettings(path=(target,)), context)
    assert [finding.level for finding in await source.check()] == [Level.FAILED]
    with pytest.raises(ConfigError, match=kind):
        await source.connect()
    await source.close()


READ = """
import asyncio
from eventspan import Context, EndOfStream
from eventspan_connectors.file.config import SourceSettings
from eventspan_connectors.file.source import FileSource

async def main():
    source = FileSource(SourceSettings(path=["-"], batch=2), Context())
    await source.connect()
    try:
        while True:
            batch = await source.read()
            print(*(e.fault or e.id for e in batch.events), flush=True)
            batch.ack()
    except EndOfStream:
        print("end", await source.positions(), await source.lag())
    await source.close()

asyncio.run(main())
"""


def test_standard_input_is_read_to_its_end() -> None:
    lines = b"".join(LINES[:3]) + b"{}\n" + LINES[4].rstrip()
    done = subprocess.run(
        [sys.executable, "-c", READ], input=lines, capture_output=True, timeout=30, check=True
    )
    words = done.stdout.decode().split()
    assert words[:3] == ["0", "1", "2"]
    assert words[3] == "-:4:1:"
    assert "4" in words
    assert done.stdout.endswith(b"end {'-': None} {'-': 0}\n")


def test_standard_input_that_stays_open_does_not_block_closing() -> None:
    code = (
        READ.replace('"-"], batch=2', '"-"], batch=2, follow=True')
        .replace("batch = await source.read()", "batch = await asyncio.wait_for(source.read(), 0.3)")
        .replace("EndOfStream:", "TimeoutError:")
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read().startswith(b"end")
        assert process.wait(10) == 0

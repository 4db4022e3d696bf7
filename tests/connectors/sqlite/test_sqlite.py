"""The log in a file: records untouched, consumers apart, and damage that is said."""

# ruff: noqa: ASYNC240 -- the files of a test are small

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eventspan import (
    Batch,
    ConfigError,
    Context,
    EndOfStream,
    Event,
    Halted,
    NotConnected,
    PositionLost,
    Rejected,
    Span,
    Transport,
    Undecodable,
)
from eventspan.endpoint import Level
from eventspan.state import LeaseTaken, MemoryStore, StateConflict
from eventspan.testing import numbered, spans_of
from eventspan_connectors.sqlite import connector
from eventspan_connectors.sqlite.config import SinkSettings, SourceSettings
from eventspan_connectors.sqlite.sink import SqliteSink
from eventspan_connectors.sqlite.source import SqliteSource


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@asynccontextmanager
async def writing(path: Path, bridge: str = "b", **settings: Any) -> AsyncIterator[SqliteSink]:
    sink = SqliteSink(SinkSettings.model_validate({"path": path, **settings}), Context(bridge=bridge))
    try:
        await sink.connect()
        yield sink
    finally:
        await sink.close()


@asynccontextmanager
async def reading(path: Path, context: Context | None = None, **settings: Any) -> AsyncIterator[SqliteSource]:
    values = {"path": path, "poll": "5ms", **settings}
    source = SqliteSource(SourceSettings.model_validate(values), context or Context(bridge="b"))
    try:
        await source.connect()
        yield source
    finally:
        await source.close()


async def append(path: Path, events: list[Event], **settings: Any) -> None:
    async with writing(path, **settings) as sink:
        await sink.write(events, spans_of(events))


async def next_of(source: SqliteSource) -> Batch:
    async with asyncio.timeout(10):
        return await source.read()


async def everything(path: Path, **settings: Any) -> list[Event]:
    async with reading(path, **settings) as source:
        await source.bound()
        found: list[Event] = []
        while True:
            try:
                batch = await next_of(source)
            except EndOfStream:
                return found
            found += batch.events
            batch.ack()


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql)


HEADERS = [
    ("eventspan-dlq-reason", "required attribute 'id' is missing"),
    ("eventspan-dlq-attempts", 3),
    ("same", "1"),
    ("same", b"\xff\0"),
    ("nothing", None),
    ("large", 2**80),
    ("float", float("inf")),
    ("when", datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
    ("nested", {"a": [1, b"b", {"c": None}], "\n": True}),
    ("half", "\ud800"),
]


async def test_a_dead_letter_is_the_raw_record_and_why(path: Path) -> None:
    raw = Transport(
        "orders", "orders/1", 9, b"\0k", HEADERS, b"\xff{", 1234, properties={"type": "x", "o": object()}
    )
    await append(path, [Event(raw, fault=Undecodable("broken"))])
    (back,) = await everything(path)
    for name in ("key", "headers", "body", "timestamp"):
        assert getattr(back.transport, name) == getattr(raw, name)
    assert back.transport.properties == {"type": "x", "address": "orders"}
    with pytest.raises(Undecodable, match="record 1 of log events is no CloudEvent"):
        _ = back.id
    with closing(sqlite3.connect(path)) as db:
        (failure,) = db.execute("SELECT json_extract(failure, '$.attempts') FROM records").fetchone()
    assert failure == 3


async def test_an_event_that_became_a_dead_letter_keeps_both(path: Path) -> None:
    event = numbered(1)[0]
    event.transport.headers, event.transport.body = HEADERS, b"as it came"
    await append(path, [event])
    (back,) = await everything(path)
    assert back == event
    assert back.transport.body == b"as it came"


async def test_an_absent_payload_is_not_an_empty_one(path: Path) -> None:
    new = {"source": "/s", "type": "t"}
    await append(path, [Event.new({"id": "1", **new}), Event.new({"id": "2", **new}, b"")])
    assert [event.data for event in await everything(path)] == [None, b""]


async def test_a_header_without_a_form_is_refused_and_nothing_written(path: Path) -> None:
    bad = numbered(1, 1)[0]
    bad.transport.headers = [("x", object())]
    async with writing(path) as sink:
        with pytest.raises(Rejected, match="type object"):
            await sink.write([*numbered(1), bad], [])
    assert await everything(path) == []


async def test_logs_and_consumers_are_apart(path: Path) -> None:
    await append(path, numbered(3), log="a")
    await append(path, numbered(2, 3), log="b")
    assert [event.id for event in await everything(path, log="a")] == ["0", "1", "2"]
    assert await everything(path, log="a") == []
    assert [event.id for event in await everything(path, log="a", consumer="other")] == ["0", "1", "2"]
    assert [event.id for event in await everything(path, log="b")] == ["3", "4"]


async def test_an_event_is_kept_once_where_that_is_wanted(path: Path) -> None:
    await append(path, numbered(3), unique=True)
    await append(path, numbered(4), unique=True)
    await append(path, numbered(1), unique=True, log="other")
    assert [event.id for event in await everything(path)] == ["0", "1", "2", "3"]
    assert len(await everything(path, log="other")) == 1
    await append(path, numbered(1))
    assert [event.id for event in await everything(path)] == ["0"]


async def test_how_far_it_got_is_in_the_same_transaction(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        if name == "sink.mid_write":
            raise OSError(28, "No space left on device")

    async with writing(path) as sink:
        assert await sink.delivered("l") is None
        await sink.write(numbered(2), [Span("l", 1, 0, 1, 5, 6), Span("m", 1, 1, 2, "x", "7")])
        with monkeypatch.context() as patch:
            patch.setattr("eventspan_connectors.sqlite.sink.failpoint", fail)
            with pytest.raises(Halted, match=r"log\.db: No space left"):
                await sink.write(numbered(2, 2), [Span("l", 1, 0, 2, 6, 8)])
        assert (await sink.delivered("l"), await sink.delivered("m")) == (6, "7")
    async with writing(path, bridge="other") as sink:
        assert await sink.delivered("l") is None
    assert len(await everything(path)) == 2


async def test_latest_skips_what_is_there_but_nothing_after_a_restart(path: Path) -> None:
    await append(path, numbered(2))
    async with reading(path, start="latest"):
        pass
    await append(path, numbered(1, 2))
    assert [event.id for event in await everything(path, start="latest")] == ["2"]


async def test_a_newer_owner_of_the_consumer_fences_the_former(path: Path) -> None:
    await append(path, numbered(2))
    async with reading(path) as former:
        held = await next_of(former)
        async with reading(path) as newer:
            (await next_of(newer)).ack()
        held.ack()
        async with asyncio.timeout(10):
            with pytest.raises(StateConflict, match="another owner"):
                await former.read()


async def test_a_second_run_is_refused(path: Path) -> None:
    context = Context(bridge="b", state=MemoryStore())
    context.state.acquire("b", f"{path}#events/eventspan", "another run")
    with pytest.raises(LeaseTaken):
        async with reading(path, context):
            pass


async def test_old_records_go_when_every_consumer_has_passed_them(path: Path) -> None:
    await append(path, numbered(4))
    change(path, "UPDATE records SET written = 0")
    async with reading(path, consumer="slow") as slow, reading(path, consumer="fast", batch=2) as fast:
        (await next_of(fast)).ack()
        await append(path, numbered(1, 4), keep="1h")
        held = await next_of(slow)
        assert len(held.events) == 5
        held.ack()
    await append(path, numbered(1, 5), keep="1h")
    async with reading(path, consumer="fast") as fast:
        assert [event.id for event in (await next_of(fast)).events] == ["2", "3", "4", "5"]


async def test_a_time_is_a_place(path: Path) -> None:
    await append(path, numbered(3))
    change(path, "UPDATE records SET written = 1000 * seq")
    async with reading(path) as source:
        assert await source.seek({"events": datetime.fromtimestamp(2, UTC)}) == {"events": 2}
        assert await source.lag() == {"events": 2}
        assert await source.seek({"events": datetime.now(UTC) + timedelta(days=1)}) == {"events": 4}
        for wrong in (5, -1, "x"):
            with pytest.raises(ConfigError, match="no position"):
                await source.seek({"events": wrong})
        with pytest.raises(ConfigError, match="no lane"):
            await source.seek({"other": 1})


async def test_an_older_copy_of_the_file_loses_the_position(path: Path) -> None:
    await append(path, numbered(3))
    await everything(path)
    change(path, "DELETE FROM records WHERE seq > 1")
    change(path, "UPDATE sqlite_sequence SET seq = 1")
    with pytest.raises(PositionLost, match="ends at 2"):
        async with reading(path):
            pass


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("attributes", "'{'"),
        ("attributes", "'[]'"),
        ("headers", "'[1]'"),
        ("headers", "x'ff'"),
        ("headers", """'[["a",{"z":1}]]'"""),
        ("properties", "'7'"),
    ],
)
async def test_a_damaged_record_is_undecodable_and_alone(path: Path, column: str, value: str) -> None:
    await append(path, numbered(3))
    change(path, f"UPDATE records SET {column} = {value} WHERE seq = 2")
    found = await everything(path)
    assert [event.fault is None for event in found] == [True, False, True]
    assert str(found[1].fault).startswith("record 2 of log events: ")


@pytest.mark.parametrize("content", [b"", b"x", b"SQLite format 3\0", b"\0" * 8192])
async def test_a_foreign_file_is_left_as_it_was(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(PositionLost, match=r"log\.db"):
        await append(path, numbered(1))
    assert path.read_bytes() == content


async def test_a_newer_format_is_refused(path: Path) -> None:
    await append(path, [])
    change(path, "PRAGMA user_version = 9")
    with pytest.raises(ConfigError, match="format 9"):
        await append(path, numbered(1))


@pytest.mark.parametrize("kind", ["symlink", "pipe", "folder", "hardlink", "no folder", "\0", "x" * 300])
async def test_what_is_in_the_way_is_refused(tmp_path: Path, kind: str) -> None:
    target, aside = tmp_path / kind, tmp_path / "aside"
    if kind == "symlink":
        target.symlink_to(aside)
    elif kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    elif kind == "hardlink":
        await append(aside, [])
        target.hardlink_to(aside)
    elif kind == "no folder":
        target = target / "file"
    sink = SqliteSink(SinkSettings(path=target), Context())
    if kind != "\0":
        assert [finding.level for finding in await sink.check()] == [Level.FAILED]
    with pytest.raises(ConfigError):
        await sink.connect()
    await sink.close()


async def test_a_check_touches_nothing(path: Path) -> None:
    sink = SqliteSink(SinkSettings(path=path), Context())
    assert [finding.level for finding in await sink.check()] == [Level.OK]
    assert list(path.parent.iterdir()) == []
    await append(path, numbered(1))
    assert [finding.level for finding in await sink.check()] == [Level.OK]
    await sink.close()


async def test_only_its_owner_reads_it(path: Path) -> None:
    async with writing(path):
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


async def test_a_replaced_file_takes_nothing_more(path: Path) -> None:
    async with writing(path) as sink, reading(path) as source:
        path.rename(f"{path}.1")
        with pytest.raises(NotConnected, match="replaced"):
            await sink.write(numbered(1), [])
        with pytest.raises(NotConnected, match="replaced"):
            await next_of(source)
        with pytest.raises(PositionLost, match="only its write-ahead log is left"):
            await sink.connect()
    Path(f"{path}-wal").unlink(missing_ok=True)
    await append(path, numbered(1))
    assert len(await everything(path)) == 1


async def test_a_batch_is_bounded_in_bytes(path: Path) -> None:
    await append(path, numbered(4, data=b"x" * 1000))
    async with reading(path, batch_bytes="2000B") as source:
        assert [len((await next_of(source)).events) for _ in range(2)] == [2, 2]


async def test_a_new_record_is_seen_soon(path: Path) -> None:
    async with writing(path) as sink, reading(path) as source:
        pending = asyncio.create_task(next_of(source))
        await sink.write(numbered(1), [])
        assert len((await pending).events) == 1


WRITE = """
import asyncio, sys
from pathlib import Path
from typing import Any
from eventspan import Context
from eventspan.testing import numbered, spans_of
from eventspan_connectors.sqlite.config import SinkSettings
from eventspan_connectors.sqlite.sink import SqliteSink

async def main():
    sink = SqliteSink(SinkSettings(path=Path(sys.argv[1])), Context())
    await sink.connect()
    for n in range(1000):
        events = numbered(10, n * 10)
        await sink.write(events, spans_of(events, first=n * 10))
        print(n, flush=True)

asyncio.run(main())
"""


async def test_a_killed_writer_has_written_what_it_said_and_no_half(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITE, str(path)], stdout=-1) as process:  # noqa: ASYNC220 -- it is killed
        assert process.stdout is not None
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        said = 5 + len(process.stdout.readlines())
    found = [int(event.id) for event in await everything(path)]
    assert found == list(range(len(found)))
    assert len(found) in (said * 10, said * 10 + 10)
    async with writing(path, bridge="test") as sink:
        assert await sink.delivered("test") == len(found)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("sqlite:a/b.db", {"path": "a/b.db"}),
        ("sqlite:a?log=x&unique=true", {"path": "a", "log": "x", "unique": "true"}),
        ("sqlite:///a%20b?log=x%20y", {"path": "/a b", "log": "x y"}),
    ],
)
def test_short_forms(text: str, settings: dict[str, str]) -> None:
    assert connector.url is not None
    assert connector.url(text) == settings


def test_what_depends_on_settings_is_declared() -> None:
    assert connector.sink is not None
    assert connector.sink.traits_of(SinkSettings(path=Path("x"), unique=True)).idempotent
    assert not connector.sink.traits_of(SinkSettings(path=Path("x"))).idempotent

"""Appending to files: whole lines, durable, and in nobody else's file."""

# ruff: noqa: ASYNC240 -- the files of a test are small

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from eventspan import ConfigError, Context, Event, Halted, NotConnected, PartialWrite, Rejected, Transport
from eventspan.endpoint import Level
from eventspan.errors import Undecodable
from eventspan.formats import json
from eventspan.testing import content, numbered, spans_of
from eventspan_connectors.file import connector
from eventspan_connectors.file.config import SinkSettings
from eventspan_connectors.file.layout import to_event, to_line
from eventspan_connectors.file.sink import FileSink


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


@asynccontextmanager
async def writing(path: Path, *, record: bool = False) -> AsyncIterator[FileSink]:
    sink = FileSink(SinkSettings(path=path, record=record), Context())
    try:
        await sink.connect()
        yield sink
    finally:
        await sink.close()


async def append(path: Path, events: list[Event]) -> None:
    async with writing(path) as sink:
        await sink.write(events, spans_of(events))


async def test_lines_are_structured_events_only_its_owner_reads(path: Path) -> None:
    await append(path, numbered(2))
    assert path.read_bytes() == b"".join(json.encode(event) + b"\n" for event in numbered(2))
    assert path.stat().st_mode & 0o777 == 0o600


async def test_json_with_line_ends_keeps_its_bytes(path: Path) -> None:
    data = b'{\n  "a": [1,\r\n 2]\n}'
    sent = Event.new({"id": "1", "source": "/s", "type": "t", "datacontenttype": "application/json"}, data)
    await append(path, [sent])
    (line,) = path.read_bytes().splitlines()
    assert content(json.decode(line)) == content(sent)


async def test_a_torn_line_is_cut_off(path: Path) -> None:
    await append(path, numbered(2))
    whole = path.read_bytes()
    for length in range(1, len(json.encode(numbered(1)[0]))):
        path.write_bytes(whole + json.encode(numbered(1)[0])[:length])
        async with writing(path):
            assert path.read_bytes() == whole, length


async def test_a_whole_line_without_its_end_gets_it(path: Path) -> None:
    path.write_bytes(json.encode(numbered(1)[0]))
    await append(path, numbered(1, 1))
    assert [json.decode(line).id for line in path.read_bytes().splitlines()] == ["0", "1"]


async def test_a_file_of_something_else_is_not_cut(path: Path) -> None:
    path.write_bytes(b"a line\nnotes without an end")
    with pytest.raises(ConfigError, match="no event"):
        await append(path, numbered(1))
    assert path.read_bytes() == b"a line\nnotes without an end"


@pytest.mark.parametrize("kind", ["symlink", "dangling", "pipe", "folder", "no folder", "x" * 300, "\0"])
async def test_what_is_in_the_way_is_refused(tmp_path: Path, kind: str) -> None:
    target = tmp_path / kind
    if kind == "symlink":
        (tmp_path / "aside").touch()
        target.symlink_to(tmp_path / "aside")
    elif kind == "dangling":
        target.symlink_to(tmp_path / "aside")
    elif kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    elif kind == "no folder":
        target = target / "file"
    with pytest.raises(ConfigError):
        await append(target, numbered(1))
    assert not (tmp_path / "aside").exists() or (tmp_path / "aside").stat().st_size == 0


async def test_two_sinks_never_share_a_file(path: Path) -> None:
    async with writing(path):
        with pytest.raises(ConfigError, match="being written by another process"):
            await append(path, numbered(1))
    await append(path, numbered(1))


async def test_a_full_disk_leaves_whole_lines_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(name: str) -> None:
        if name == "sink.mid_write":
            raise OSError(28, "No space left on device")

    await append(path, numbered(1))
    whole = path.read_bytes()
    async with writing(path) as sink:
        with monkeypatch.context() as patch:
            patch.setattr("eventspan_connectors.file.appender.failpoint", full)
            with pytest.raises(Halted, match=r"out\.jsonl: No space left on device"):
                await sink.write(numbered(3), [])
        assert path.read_bytes() == whole
        with pytest.raises(NotConnected):
            await sink.write(numbered(3), [])
        await sink.connect()
        await sink.write(numbered(3), [])
    assert len(path.read_bytes().splitlines()) == 4


async def test_a_replaced_file_takes_nothing_more(path: Path) -> None:
    async with writing(path) as sink:
        await sink.write(numbered(1), [])
        path.rename(f"{path}.1")
        with pytest.raises(NotConnected, match="replaced"):
            await sink.write(numbered(1, 1), [])
        await sink.connect()
        await sink.write(numbered(1, 1), [])
    assert json.decode(path.read_bytes()).id == "1"


RAW = Event(
    Transport(
        "orders",
        "orders/3",
        7,
        b"k\0",
        (("x", b"\xff"), ("n", None), ("eventspan-dlq-reason", "no event")),
        b"\0raw",
        5,
    ),
    fault=Undecodable("no event"),
)


async def test_a_dead_letter_keeps_the_record_and_why(path: Path) -> None:
    await append(path, [RAW])
    (line,) = path.read_bytes().splitlines()
    back = to_event(line, "f", 1, 0)
    assert back.transport.headers == list(RAW.transport.headers)
    for name in ("key", "body", "timestamp"):
        assert getattr(back.transport, name) == getattr(RAW.transport, name)
    assert back.transport.properties == {"address": "orders"}
    with pytest.raises(Undecodable, match="f:1:1: the record holds no event"):
        _ = back.id
    assert b'"failure":{"reason":"no event"}' in line


async def test_what_is_no_event_is_refused_and_the_others_are_written(path: Path) -> None:
    bad = Event(Transport(body=b"x"), fault=Undecodable("no event"))
    async with writing(path) as sink:
        with pytest.raises(PartialWrite) as partial:
            await sink.write([*numbered(1), bad, *numbered(1, 1)], [])
        assert {n: type(error) for n, error in partial.value.failures.items()} == {1: Undecodable}
        with pytest.raises(Rejected):
            await sink.write([bad], [])
    assert [json.decode(line).id for line in path.read_bytes().splitlines()] == ["0", "1"]


@pytest.mark.parametrize(
    "line", [b'{"eventspan":2}', b'{"eventspan":1,', b'{"eventspan":1,"headers":[1]}', 
             b'{"eventspan":1,"headers":3}',
             b'{"eventspan":1,"key":"%"}', b'{"eventspan":1,"headers":[["a",{"b":"%"}]]}', b'{"eventspan":1}']
)  # fmt: skip
def test_a_damaged_record_is_undecodable(line: bytes) -> None:
    event = to_event(line, "f", 4, 0)
    assert str(event.fault).startswith("f:4:")


def test_records_are_lines_whatever_they_hold() -> None:
    sent = numbered(1)[0]
    sent = Event(Transport(key=b"\n", headers=(("a\n", "b\n"),), timestamp=1), None, None, sent.decoded)
    line = to_line(sent, as_record=True)
    assert line.count(b"\n") == 1
    assert to_event(line[:-1], "f", 1, 0).transport.headers == [("a\n", "b\n")]


WRITE = """
import asyncio, sys
from eventspan import Context, EventspanError
from eventspan.testing import numbered
from eventspan_connectors.file.config import SinkSettings
from eventspan_connectors.file.sink import FileSink

async def main():
    sink = FileSink(SinkSettings(path="-"), Context())
    await sink.connect()
    try:
        for n in range(int(sys.argv[1])):
            await sink.write(numbered(100, n * 100), [])
    except EventspanError as error:
        print(type(error).__name__, error, file=sys.stderr)
    await sink.close()

asyncio.run(main())
"""


def test_standard_output_gets_every_line() -> None:
    done = subprocess.run([sys.executable, "-c", WRITE, "30"], capture_output=True, timeout=30, check=True)
    assert [json.decode(line).id for line in done.stdout.splitlines()] == [str(n) for n in range(3000)]


def test_a_reader_that_left_is_an_error_with_a_name() -> None:
    with subprocess.Popen([sys.executable, "-c", WRITE, "100000"], stdout=-1, stderr=-1) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"Halted standard output: Broken pipe\n"
        assert process.wait(10) == 0


async def test_checks_before_anything_is_opened(tmp_path: Path) -> None:
    async def level(path: Path) -> Level:
        sink = FileSink(SinkSettings(path=path), Context())
        (finding,) = await sink.check()
        await sink.close()
        return finding.level

    (tmp_path / "there").touch()
    assert await level(tmp_path / "there") is Level.OK
    assert await level(tmp_path / "new") is Level.OK
    assert await level(tmp_path / "no" / "where") is Level.FAILED
    assert await level(tmp_path) is Level.FAILED
    assert await level(Path("-")) is Level.OK
    assert sorted(os.listdir(tmp_path)) == ["there"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("file:a/b", "a/b"),
        ("file:/a", "/a"),
        ("file:///a%20b", "/a b"),
        ("file:-", "-"),
        ("file:a%20b", "a%20b"),
    ],
)
def test_short_forms(text: str, path: str) -> None:
    assert connector.url is not None
    assert connector.url(text) == {"path": path}

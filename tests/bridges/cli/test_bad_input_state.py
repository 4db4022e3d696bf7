"""State and files that cannot be trusted: refused or halted with what resolves it, and nothing moved."""

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.answer import Answer, assert_refused, call
from harness.faulty import EVENTS, INPUT, OUTPUT, bridge, drained, read_ids, write_events

IDS = [str(event["id"]) for event in EVENTS]
Damage = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose bridge has delivered everything once, and has more to deliver."""
    write_events(tmp_path)
    lines = (tmp_path / "in.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "in.jsonl").write_text("".join(lines[:10]))
    drained(tmp_path, bridge(tmp_path, INPUT, OUTPUT))
    (tmp_path / "in.jsonl").write_text("".join(lines))
    return tmp_path


def run(folder: Path, *, confined: bool = False) -> Answer:
    arguments = ("run", "orders.yaml", "--until", "drained", "--state", "state")
    return call(folder, *arguments, confined=confined)


def _sql(text: str) -> Damage:
    def damage(path: Path) -> None:
        with sqlite3.connect(path) as db:
            db.execute(text)
        db.close()

    return damage


def _flip(offset: int) -> Damage:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[offset % len(data)] ^= 1
        path.write_bytes(bytes(data))

    return damage


def _cut(part: float) -> Damage:
    return lambda path: os.truncate(path, int(path.stat().st_size * part))


def _flip_position(path: Path) -> None:
    data = path.read_bytes()
    at = data.rindex(b"in.jsonl") + 12
    _flip(at)(path)


def _no_file(path: Path) -> None:
    path.write_bytes(b"{}\n")


DAMAGED: dict[str, tuple[Damage, int, str]] = {
    "a bit of the header": (_flip(3), 1, "it is"),
    "a bit of the format": (_flip(18), 1, "its header is damaged"),
    "a bit of a position": (_flip_position, 3, "offsets set orders"),
    "cut to nothing": (_cut(0), 1, "it is empty"),
    "cut to a third": (_cut(0.3), 1, "state.db"),
    "another kind of file": (_no_file, 1, "its header is damaged"),
    "a later version": (_sql("PRAGMA user_version=2"), 2, "run the version that wrote it"),
    "of another program": (_sql("PRAGMA application_id=1"), 1, "no state file of eventspan"),
    "position of another lane": (_sql("UPDATE lanes SET lane = lane || 'x'"), 1, "offsets set orders"),
    "position without its checksum": (_sql("UPDATE lanes SET position = '\"0\"'"), 1, "offsets set orders"),
    "an endless number": (_sql(f"UPDATE lanes SET position = '{'9' * 5000}'"), 1, "offsets set orders"),
    "a lane gone": (_sql("DELETE FROM lanes WHERE lane <> '@run'"), 3, "lanes are missing"),
    "tables gone": (_sql("DROP TABLE lanes"), 1, "tables"),
}


@pytest.mark.parametrize(("damage", "status", "words"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_state_is_told_and_moves_nothing(
    folder: Path, damage: Damage, status: int, words: str
) -> None:
    path = folder / "state" / "state.db"
    whole = path.read_bytes()
    damage(path)
    left = path.read_bytes()
    answer = run(folder)
    assert_refused(answer, words, "state.db", status=status)
    assert "help: " in answer.err or "(" in answer.err
    assert read_ids(folder) == IDS[:10]
    assert path.read_bytes() == left or status == 3, "only the lease of a run that started may be written"
    for leftover in (folder / "state").glob("state.db-*"):
        leftover.unlink()
    path.write_bytes(whole)
    assert run(folder).status == 0
    assert (folder / "out.jsonl").read_text().count("\n") == len(IDS)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _hard_link(path: Path) -> None:
    path.with_name("elsewhere").hardlink_to(path)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _unreadable(path: Path) -> None:
    path.chmod(0)


def _sealed(path: Path) -> None:
    path.chmod(stat.S_IRUSR)
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)


PLACES: dict[str, tuple[Damage, str]] = {
    "symbolic link": (_link, "no regular file"),
    "hard link": (_hard_link, "second name"),
    "pipe": (_pipe, "no regular file"),
    "folder": (_folder, "no regular file"),
    "no right to read": (_unreadable, "Permission denied"),
    "no right to write": (_sealed, "help: give the worker a state folder it may write to"),
}


@pytest.mark.parametrize(("change", "words"), PLACES.values(), ids=PLACES.keys())
def test_a_state_file_that_is_none_is_refused(folder: Path, change: Damage, words: str) -> None:
    change(folder / "state" / "state.db")
    answer = run(folder, confined=True)
    (folder / "state").chmod(0o700)
    assert answer.status in (1, 2), answer.text
    assert_refused(answer, words, "state.db", status=answer.status)
    assert read_ids(folder) == IDS[:10]


def _target_link(path: Path) -> None:
    path.with_name("victim").write_text("kept")
    path.symlink_to("victim")


def _target_text(path: Path) -> None:
    path.write_text("somebody's own words")


def _target_closed(path: Path) -> None:
    path.touch(0o400)


TARGETS: dict[str, tuple[Damage, str]] = {
    "symbolic link": (_target_link, "out.jsonl: Too many levels of symbolic links"),
    "pipe": (lambda path: os.mkfifo(path), "out.jsonl"),
    "folder": (lambda path: path.mkdir(), "out.jsonl: Is a directory"),
    "text of somebody else": (_target_text, "out.jsonl ends with text that is no event"),
    "no right to write": (_target_closed, "out.jsonl: Permission denied"),
}


@pytest.mark.parametrize(("change", "words"), TARGETS.values(), ids=TARGETS.keys())
def test_a_target_that_is_no_file_of_events_is_left_alone(tmp_path: Path, change: Damage, words: str) -> None:
    write_events(tmp_path)
    bridge(tmp_path, INPUT, OUTPUT)
    target = tmp_path / "out.jsonl"
    change(target)
    answer = run(tmp_path, confined=True)
    assert_refused(answer, "orders sinks.sink halted: ConfigError", words, status=3)
    if (tmp_path / "victim").exists():
        assert (tmp_path / "victim").read_text() == "kept"
    target.rmdir() if target.is_dir() and not target.is_symlink() else target.unlink()
    assert run(tmp_path).status == 0
    assert read_ids(tmp_path) == IDS


@pytest.mark.parametrize(
    "name", ["a\nb.jsonl", "x" * 300, "/".join(["x" * 200] * 21), "none/out.jsonl", "\u202ea.jsonl"]
)
def test_a_target_of_an_odd_name(tmp_path: Path, name: str) -> None:
    write_events(tmp_path)
    bridge(tmp_path, INPUT, {"type": "file", "path": name})
    answer = run(tmp_path)
    assert_refused(answer, status=answer.status)
    assert not {"\x1b", "\u202e"} & set(answer.err)
    if answer.status == 0:
        assert (tmp_path / name).read_text().count("\n") == len(IDS)
    else:
        assert_refused(answer, "orders sinks.sink halted: ConfigError", status=3)


def test_a_clock_that_went_back_changes_nothing(folder: Path) -> None:
    for path in (folder / "state").iterdir():
        os.utime(path, (2**33, 2**33))
    assert_refused(run(folder), status=0)
    assert read_ids(folder) == IDS
    assert (folder / "out.jsonl").read_text().count("\n") == len(IDS)

"""Positions and leases in a file: what is stored is right, or it is said to be lost."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from eventspan import owner
from eventspan.errors import ConfigError, Halted, PositionLost
from eventspan.state import LeaseTaken, StateConflict, StateStore
from eventspan.state_sqlite import SqliteStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(folder)) as opened:
        yield opened


def change(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "state.db")) as db, db:
        db.execute(sql)


def filled(folder: Path, **positions: int | str) -> None:
    with closing(SqliteStore(folder)) as store:
        for lane, position in positions.items():
            store.advance(store.acquire("b", lane, "run"), position)


def test_it_is_a_state_store(store: StateStore) -> None:
    assert store.position("b", "l") is None
    assert store.positions("b") == {}


@pytest.mark.parametrize("position", [0, -1, 2**63 - 1, 2**70, "", "7", "i7", "a\nb\0c'\u2028"])
def test_a_position_keeps_value_and_type(store: SqliteStore, folder: Path, position: int | str) -> None:
    store.advance(store.acquire("b", "l", "run"), position)
    store.close()
    with closing(SqliteStore(folder)) as again:
        found = again.position("b", "l")
        assert (type(found), found) == (type(position), position)
        assert again.positions("b") == {"l": position}


def test_bridges_do_not_see_each_other(store: SqliteStore) -> None:
    store.advance(store.acquire("a", "l", "run"), 1)
    store.advance(store.acquire("b", "l", "run"), 2)
    store.reset("c", "l", 3)
    assert store.positions("a") == {"l": 1}
    assert [store.position(bridge, "l") for bridge in "abcd"] == [1, 2, 3, None]


def test_a_former_lease_advances_nothing(store: SqliteStore) -> None:
    first = store.acquire("b", "l", "run")
    second = store.acquire("b", "l", "run")
    store.advance(second, 5)
    with pytest.raises(StateConflict, match="'l' of bridge 'b'"):
        store.advance(first, 9)
    assert store.position("b", "l") == 5
    assert second.epoch > first.epoch


def test_a_forgotten_position_keeps_the_epoch(store: SqliteStore) -> None:
    lease = store.acquire("b", "l", "run")
    store.advance(lease, 5)
    store.reset("b", "l", None)
    assert store.position("b", "l") is None
    assert store.positions("b") == {}
    assert store.acquire("b", "l", "run").epoch > lease.epoch


def test_only_the_holder_releases(store: SqliteStore) -> None:
    first = store.acquire("b", "l", "one")
    store.release(first)
    store.acquire("b", "l", "two")
    store.release(first)
    with pytest.raises(LeaseTaken, match="held by two"):
        store.acquire("b", "l", "one")


def test_the_processes_of_a_supervisor_share_what_it_holds(folder: Path, store: SqliteStore) -> None:
    store.acquire("b", "l", "run")
    with closing(SqliteStore(folder)) as sibling:
        lease = sibling.acquire("b", "l", "run")
        sibling.advance(lease, 1)
    assert store.position("b", "l") == 1


HOLD = """
import sys
from pathlib import Path
from eventspan import owner
from eventspan.state_sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
lease = store.acquire("b", "l", owner.current())
store.advance(lease, 41)
print(owner.current(), flush=True)
sys.stdin.read()
store.advance(lease, 99)
"""


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=-1, stdout=-1, stderr=-1, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
        process.kill()


def test_a_live_holder_is_named(holder: "subprocess.Popen[str]", store: SqliteStore) -> None:
    with pytest.raises(LeaseTaken, match=f"process {holder.pid} on host {socket.gethostname()}"):
        store.acquire("b", "l", owner.current())


def test_a_killed_holder_is_followed_at_once(holder: "subprocess.Popen[str]", store: SqliteStore) -> None:
    holder.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{holder.pid}/stat").exists(), "it is a zombie still"
    lease = store.acquire("b", "l", owner.current())
    assert (lease.epoch, store.position("b", "l")) == (2, 41)


def test_a_holder_that_was_taken_for_dead_moves_nothing(
    holder: "subprocess.Popen[str]", store: SqliteStore
) -> None:
    change(store.path.parent, "UPDATE lanes SET owner = ''")
    store.reset("b", "l", 41)
    store.advance(store.acquire("b", "l", owner.current()), 42)
    _, words = holder.communicate("", timeout=20)
    assert "StateConflict" in words
    assert store.position("b", "l") == 42


def test_a_process_number_used_again_is_another_owner(store: SqliteStore) -> None:
    here = owner.own("run")
    former = owner.Owner("former", here.host, here.pid, here.started + "0")
    store.acquire("b", "l", former.text)
    assert store.acquire("b", "l", here.text).epoch == 2


def test_a_holder_on_another_host_stays_until_reset_by_hand(store: SqliteStore) -> None:
    lease = store.acquire("b", "l", owner.Owner("run", "elsewhere", 1, "x").text)
    with pytest.raises(LeaseTaken, match="on host elsewhere") as caught:
        store.acquire("b", "l", owner.current())
    assert caught.value.help == "once it is gone for good: eventspan offsets set b 'l=POSITION'"
    store.reset("b", "l", 3)
    assert store.acquire("b", "l", owner.current()).epoch > lease.epoch
    with pytest.raises(StateConflict):
        store.advance(lease, 4)


def test_a_damaged_row_names_file_lane_and_remedy(folder: Path) -> None:
    filled(folder, left=1, right=2)
    change(folder, "UPDATE lanes SET position = 'i7' WHERE lane = 'left'")
    with closing(SqliteStore(folder)) as store:
        with pytest.raises(
            PositionLost, match=r"state\.db: the position of lane 'left' of bridge 'b'"
        ) as lost:
            store.position("b", "left")
        assert lost.value.help == "eventspan offsets set b 'left=POSITION'"
        assert store.position("b", "right") == 2
        with pytest.raises(PositionLost):
            store.positions("b")
        with pytest.raises(PositionLost):
            store.acquire("b", "left", "run")
        store.reset("b", "left", 5)
        assert store.positions("b") == {"left": 5, "right": 2}
        store.advance(store.acquire("b", "left", "run"), 6)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE lanes SET (position, crc) = (SELECT position, crc FROM lanes WHERE lane = 'right')"
        " WHERE lane = 'left'",
        "DELETE FROM lanes WHERE lane = 'left'",
        "UPDATE lanes SET lane = 'lefu' WHERE lane = 'left'",
        "UPDATE lanes SET epoch = epoch + 1",
        "UPDATE lanes SET position = NULL",
        "UPDATE lanes SET position = x'6937'",
        "DROP TABLE lanes",
        "DELETE FROM roster",
        "PRAGMA application_id = 7",
    ],
)
def test_no_damage_passes_for_a_position(folder: Path, sql: str) -> None:
    filled(folder, left=1, right=2)
    change(folder, sql)
    with pytest.raises(PositionLost), closing(SqliteStore(folder)) as store:  # noqa: PT012 -- opening may raise it
        store.position("b", "left")
        store.positions("b")


def test_a_missing_lane_is_never_taken_anew(folder: Path) -> None:
    filled(folder, left=1, right=2)
    change(folder, "DELETE FROM lanes WHERE lane = 'left'")
    with closing(SqliteStore(folder)) as store:
        with pytest.raises(PositionLost, match="lanes are missing"):
            store.acquire("b", "left", "run")
        store.reset("b", "left", 1)
        assert store.position("b", "left") == 1


def test_a_newer_format_is_refused(folder: Path) -> None:
    filled(folder, l=1)
    change(folder, "PRAGMA user_version = 2")
    with pytest.raises(ConfigError, match="format 2"):
        SqliteStore(folder)


@pytest.mark.parametrize("content", [b"", b"x", b"SQLite format 3\0", b"\0" * 8192, b"{}" * 5000])
def test_a_foreign_file_is_never_overwritten(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "state.db").write_bytes(content)
    with pytest.raises(PositionLost, match=r"state\.db"):
        SqliteStore(folder)
    assert (folder / "state.db").read_bytes() == content


def test_a_database_of_somebody_else_is_left_as_it_was(folder: Path) -> None:
    folder.mkdir()
    change(folder, "CREATE TABLE t (x)")
    before = (folder / "state.db").read_bytes()
    with pytest.raises(PositionLost, match="no state file"):
        SqliteStore(folder)
    assert (folder / "state.db").read_bytes() == before


def test_a_log_without_its_file_is_no_fresh_start(folder: Path) -> None:
    folder.mkdir()
    (folder / "state.db-wal").write_bytes(b"x")
    with pytest.raises(PositionLost, match="gone"):
        SqliteStore(folder)


@pytest.mark.parametrize("name", ["state.db", "state.db-wal", "state.db-shm"])
@pytest.mark.parametrize("kind", ["symlink", "dangling", "fifo", "folder", "hardlink"])
def test_what_is_in_the_way_is_refused(folder: Path, name: str, kind: str) -> None:
    filled(folder, l=1)
    target, aside = folder / name, folder / "aside"
    aside.write_bytes((folder / "state.db").read_bytes())
    target.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    elif kind == "hardlink":
        target.hardlink_to(aside)
    else:
        target.symlink_to(aside if kind == "symlink" else folder / "nowhere")
    with pytest.raises(ConfigError, match=r"no regular file|hard link"):
        SqliteStore(folder)


def test_a_draft_left_by_a_crash_is_no_obstacle(folder: Path) -> None:
    folder.mkdir()
    (folder / ".state.db.new").write_bytes(b"half")
    (folder / ".state.db.new-journal").write_bytes(b"half")
    filled(folder, l=1)
    assert sorted(os.listdir(folder)) == ["state.db"]


def test_nobody_else_may_read_it(folder: Path) -> None:
    with closing(SqliteStore(folder)) as store:
        store.reset("b", "l", 1)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("name", ["f/below", "x" * 4097, "\0", "n" * 256])
def test_a_folder_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(ConfigError):
        SqliteStore(tmp_path / name)


def test_a_folder_with_a_strange_name_is_fine(tmp_path: Path) -> None:
    filled(tmp_path / "a\nb ?mode=ro#%20'", l=1)
    with closing(SqliteStore(tmp_path / "a\nb ?mode=ro#%20'")) as store:
        assert store.position("b", "l") == 1


def test_a_failing_disk_halts_and_heals(store: SqliteStore) -> None:
    lease = store.acquire("b", "l", "run")
    store.advance(lease, 1)
    real = store._db
    assert real is not None
    # A database of at most the pages it has is a disk without room.
    pages = real.execute("PRAGMA page_count").fetchone()[0]
    real.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Halted, match=r"state\.db: No space left on device"):
        store.advance(lease, "x" * 100_000)
    assert store.position("b", "l") == 1
    store.advance(lease, "x" * 100_000)
    assert store.position("b", "l") == "x" * 100_000


def test_a_failpoint_that_fills_the_disk(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(name: str) -> None:
        if name == "state.before_write":
            raise OSError(28, "No space left on device")

    lease = store.acquire("b", "l", "run")
    with monkeypatch.context() as patch:
        patch.setattr("eventspan.state_sqlite.failpoint", full)
        with pytest.raises(Halted, match=r"state\.db: No space left") as caught:
            store.advance(lease, 2)
    assert caught.value.help is not None
    assert store.position("b", "l") is None
    store.advance(lease, 2)
    assert store.position("b", "l") == 2


def test_two_writers_lose_no_update(folder: Path) -> None:
    count = 40

    def work(lane: str) -> None:
        with closing(SqliteStore(folder)) as own:
            lease = own.acquire("b", lane, "run")
            for n in range(count):
                own.advance(lease, n)

    threads = [threading.Thread(target=work, args=(lane,)) for lane in ("x", "y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with closing(SqliteStore(folder)) as store:
        assert store.positions("b") == {"x": count - 1, "y": count - 1}


def test_one_store_serves_many_threads(store: SqliteStore) -> None:
    lease = store.acquire("b", "l", "run")
    errors: list[Exception] = []

    def work(n: int) -> None:
        try:
            store.advance(lease, n)
            assert isinstance(store.position("b", "l"), int)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is reported
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_closing_twice_is_fine_and_it_opens_again(store: SqliteStore) -> None:
    store.reset("b", "l", 1)
    store.close()
    store.close()
    assert store.position("b", "l") == 1

"""Many ways to damage a state file, and no silent reset."""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventspan.errors import ConfigError, PositionLost
from eventspan.state import Lease
from eventspan.state_sqlite import SqliteStore

LANES = {f"orders/{n}": n * 1000 for n in range(60)}
"""Enough for several pages, so that inner pages are damaged too."""
OWNER = "a run with a rather long name " * 5
WRITE = """
import os, signal, sys
from functools import partial
from pathlib import Path
from eventspan.state_sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
for n in range(60):
    lease = store.acquire("bridge", f"orders/{n}", sys.argv[3])
    store.advance(lease, n * 1000)
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
store.close()
"""


@pytest.fixture(scope="module", params=["closed", "killed"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original") / "state"
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(folder), request.param, OWNER], timeout=60, check=False
    )
    assert done.returncode == (0 if request.param == "closed" else -signal.SIGKILL)
    assert (folder / "state.db-wal").exists() is (request.param == "killed")
    return folder


def right_or_lost(folder: Path) -> None:
    """Every value is the one stored, or the store says that it is lost."""
    store = opened(folder)
    if store is None:
        return
    with closing(store):
        for lane, position in LANES.items():
            promises: list[tuple[Callable[[], object], object]] = [
                (partial(store.position, "bridge", lane), position),
                (partial(store.acquire, "bridge", lane, OWNER), Lease("bridge", lane, OWNER, 2)),
                (partial(store.positions, "bridge"), LANES),
            ]
            for found, expected in promises:
                with suppress(PositionLost):
                    assert found() == expected


def opened(folder: Path) -> SqliteStore | None:
    try:
        return SqliteStore(folder)
    except PositionLost as lost:
        complaint: Exception = lost
    except ConfigError as newer:
        complaint = newer
    if isinstance(complaint, ConfigError) and "has format" not in str(complaint):
        raise complaint
    if str(folder / "state.db") not in str(complaint):
        raise complaint
    return None


def damaged(original: Path, name: str, damage: Callable[[bytearray], bytes]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "state"
        shutil.copytree(original, folder)
        content = bytearray((folder / name).read_bytes())
        (folder / name).write_bytes(damage(content))
        right_or_lost(folder)


class Damage:
    """A flipped bit at a place of the file, or an end of it there."""

    def __init__(self, place: float, bit: int | None) -> None:
        self.place = place
        self.bit = bit

    def __repr__(self) -> str:
        return f"Damage({self.place}, {self.bit})"

    def __call__(self, content: bytearray) -> bytes:
        at = min(int(self.place * len(content)), len(content) - 1)
        if self.bit is None:
            return bytes(content[:at])
        content[at] ^= 1 << self.bit
        return bytes(content)


damages = st.builds(Damage, st.floats(0, 1), st.one_of(st.none(), st.integers(0, 7)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages)
def test_the_file(original: Path, damage: Damage) -> None:
    damaged(original, "state.db", damage)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 240), bit=st.integers(0, 7))
def test_the_first_bytes_of_the_file(original: Path, place: int, bit: int) -> None:
    def flip(content: bytearray) -> bytes:
        content[place] ^= 1 << bit
        return bytes(content)

    damaged(original, "state.db", flip)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages)
def test_the_log(original: Path, damage: Damage) -> None:
    if (original / "state.db-wal").exists():
        damaged(original, "state.db-wal", damage)

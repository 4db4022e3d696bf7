"""``offsets``: positions are shown, exported and set, and never under a bridge that runs."""

import json
from pathlib import Path

import pytest

from eventspan.owner import Owner
from eventspan.state_sqlite import SqliteStore
from harness.command import ENDLESS, Run, Start, Write, until

FILE = """\
version: 1
bridges:
  copy:
    source: {type: sqlite, path: "%s/log.db", log: x}
    sink: {type: memory, name: out}
    dead_letter: stop
"""


@pytest.fixture
def path(run: Run, write: Write, tmp_path: Path) -> str:
    """A bridge that has copied three events."""
    events = (json.dumps({"specversion": "1.0", "id": str(n), "source": "/s", "type": "t"}) for n in range(3))
    assert run("send", f"sqlite:{tmp_path}/log.db?log=x", input="\n".join(events)).returncode == 0
    path = write(FILE % tmp_path)
    assert run("run", path, "--until", "drained").returncode == 0
    return path


def test_positions_are_shown_by_file_and_by_name(run: Run, path: str) -> None:
    expected = [{"bridge": "copy", "lane": "x", "position": 4, "lag": 0}]
    assert json.loads(run("offsets", "show", path, "-o", "json").stdout) == expected
    assert json.loads(run("offsets", "show", "copy", "-o", "json").stdout) == expected
    assert run("offsets", "show", "copy").stdout.split() == [
        "BRIDGE",
        "LANE",
        "POSITION",
        "LAG",
        "copy",
        "x",
        "4",
        "0",
    ]


def test_a_bridge_reads_again_from_where_it_was_set(run: Run, path: str) -> None:
    assert run("offsets", "set", "copy", "x=2", "--yes").returncode == 0
    assert "received 2" in run("run", path, "--until", "drained").stderr


def test_a_dry_run_and_a_no_change_nothing(run: Run, path: str) -> None:
    assert run("offsets", "set", path, "--to", "earliest", "--dry-run").returncode == 0
    assert run("offsets", "set", path, "--to", "earliest", input="n\n").returncode == 1
    assert json.loads(run("offsets", "export", path).stdout)["position"] == 4


def test_what_was_exported_can_be_set(run: Run, path: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text(run("offsets", "export", path).stdout)
    run("offsets", "set", path, "--to", "earliest", "--yes")
    assert json.loads(run("offsets", "export", path).stdout)["position"] == 1
    assert run("offsets", "set", path, "--to", f"@{kept}", "--yes").returncode == 0
    assert json.loads(run("offsets", "export", path).stdout)["position"] == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["x"],
        ["x=99"],
        ["y=1"],
        ["--to", "2026-01-01T00:00:00"],
        ["--to", "@/nonexistent"],
        [],
        ["x=1", "--to", "latest"],
    ],
)
def test_a_wrong_target_changes_nothing(run: Run, path: str, arguments: list[str]) -> None:
    done = run("offsets", "set", path, *arguments, "--yes")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert json.loads(run("offsets", "export", path).stdout)["position"] == 4


def test_a_running_bridge_is_left_alone(run: Run, start: Start, write: Write) -> None:
    path = write(ENDLESS)
    process = start("run", path)
    until(process, "bridge running")
    done = run("offsets", "set", path, "--to", "latest", "--yes")
    assert done.returncode == 1
    assert "bridge orders is running" in done.stderr


def test_a_damaged_position_is_mended_by_the_command_its_message_names(
    run: Run, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "events").write_text('{"specversion":"1.0","id":"1","source":"/s","type":"t"}\n')
    text = FILE.replace(
        '{type: sqlite, path: "%s/log.db", log: x}', f'{{type: file, path: "{tmp_path}/events"}}'
    )
    path = write(text)
    assert run("run", path).returncode == 0
    assert run("offsets", "set", "copy", "--to", "earliest", "--yes").returncode == 0
    assert "received 1" in run("run", path).stderr


def test_a_bridge_whose_host_is_gone_can_be_released(
    run: Run, path: str, environment: dict[str, str]
) -> None:
    store = SqliteStore(Path(environment["EVENTSPAN_STATE"]))
    store.acquire("copy", "@run", Owner("run", "another-host", 1, "").text)
    store.close()
    done = run("run", path, "--until", "drained")
    assert done.returncode == 2
    assert "eventspan offsets release copy" in done.stderr
    assert run("offsets", "release", "copy", "--yes").returncode == 0
    assert run("run", path, "--until", "drained").returncode == 0

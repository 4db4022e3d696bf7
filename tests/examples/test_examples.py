"""What stands in examples/ is whole, and what needs no broker runs as its page says."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from eventspan_bridges.settings.check import check
from harness.documents import ROOT, blocks, shell

FOLDER = ROOT / "examples"
FILES = sorted(path.relative_to(FOLDER) for path in FOLDER.rglob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_file_is_whole(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER / "python-step")
    found = check([FOLDER / file], {})
    assert found.bridges
    assert found.problems == ()


def test_every_file_is_in_the_table() -> None:
    page = (FOLDER / "README.md").read_text()
    assert {str(file.parts[0]) for file in FILES} == {
        part.removesuffix("/") for part in (line.split("](")[1].split(")")[0] for line in _rows(page))
    }


def _rows(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("| [")]


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(FOLDER, folder)
    [script] = blocks(FOLDER / "README.md", "sh")
    printed = shell(script, folder).stdout.splitlines()
    lines = (FOLDER / "orders.jsonl").read_text().splitlines()
    assert printed == [line for line in lines if '"id":"4"' not in line]
    assert _ids(folder / "all.jsonl") == ["1", "2", "3"]
    assert _ids(folder / "large.jsonl") == ["2"]
    assert _ids(folder / "cancelled.jsonl") == ["5"]
    assert "email" not in (folder / "all.jsonl").read_text()
    enriched = [json.loads(line) for line in (folder / "enriched.jsonl").read_text().splitlines()]
    assert [event["currency"] for event in enriched] == ["EUR", "USD"]
    assert _dead(folder / "dead.db") == [lines[3].encode()]


def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(FOLDER, folder)
    command = "eventspan run fan-out.yaml --until drained"
    shell(command, folder)
    before = (folder / "all.jsonl").read_bytes()
    assert "received 0, delivered 0" in shell(command, folder).stderr
    assert (folder / "all.jsonl").read_bytes() == before


def _ids(file: Path) -> list[str]:
    return [json.loads(line)["id"] for line in file.read_text().splitlines()]


def _dead(file: Path) -> list[bytes]:
    connection = sqlite3.connect(file)
    try:
        query = "SELECT CAST(body AS BLOB) FROM records WHERE log = 'orders' AND failure LIKE '%type%'"
        return [body for (body,) in connection.execute(query)]
    finally:
        connection.close()

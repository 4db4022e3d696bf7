"""Commands that only answer: quickstart, plugins, version, schema, lint and completion."""

import json
import time
from pathlib import Path

from harness.command import FINITE, Run, Start, Write


def test_the_first_event_of_quickstart_comes_within_two_seconds(start: Start) -> None:
    began = time.perf_counter()
    process = start("quickstart", "--for", "1s")
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert time.perf_counter() - began < 2
    assert first["source"] == "/shop"
    assert "customer" not in first["data"]
    _, words = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "pending 0" in words
    assert "eventspan run hello.yaml" in words


def test_quickstart_writes_nothing(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert run("quickstart", "--count", "3", cwd=home, env={"HOME": str(home)}).returncode == 0
    assert list(home.iterdir()) == []
    assert not (tmp_path / "state").exists()


def test_what_quickstart_shows_can_be_linted(run: Run, write: Write) -> None:
    assert run("lint", write(run("quickstart", "--show").stdout)).returncode == 0


def test_lint_answers_in_three_forms(run: Run, write: Write) -> None:
    path = write(FINITE.replace("stop", "stopp"))
    text, lines, github = (run("lint", path, "-o", form) for form in ("text", "json", "github"))
    assert {text.returncode, lines.returncode, github.returncode} == {2}
    assert "= help:" in text.stdout or "error[" in text.stdout
    found = json.loads(lines.stdout)
    assert (found["file"], found["line"], found["level"]) == (path, 8, "error")
    assert github.stdout.startswith(f"::error file={path},line=8,col=")


def test_lint_can_be_strict(run: Run, write: Write) -> None:
    path = write(FINITE.replace("    sink:", "    route: [{when: event.id == '1', to: sink}]\n    sink:"))
    assert run("lint", path).returncode == 0
    assert run("lint", path, "--strict").returncode == 2


def test_plugins_are_listed_whatever_is_wrong_with_one(run: Run, tmp_path: Path) -> None:
    info = tmp_path / "odd-1.0.dist-info"
    info.mkdir()
    points = "[eventspan.connectors]\nodd = odd_module:connector\nmissing = other_module:connector\n"
    (info / "entry_points.txt").write_text(points)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: odd\nVersion: 1.0\nProvides-Extra: missing\n"
    )
    (tmp_path / "odd_module.py").write_text("raise SystemExit(3)")
    (tmp_path / "other_module.py").write_text("import a_client_nobody_has")
    done = run("plugins", "ls", "-o", "json", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    found = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert found["memory"]["status"] == "ok"
    assert found["memory"]["sides"] == ["source", "sink"]
    assert found["odd"]["status"] == "broken"
    assert found["missing"]["status"] == "not installed"
    assert found["missing"]["help"] == "pip install 'odd[missing]'"


def test_a_plugin_shows_its_settings_and_promises(run: Run) -> None:
    found = json.loads(run("plugins", "show", "kafka", "-o", "json").stdout)
    settings = {one["name"]: one for one in found["source"]["settings"]}
    assert settings["topics"]["required"]
    assert settings["start"]["default"] == "earliest"
    assert found["source"]["promises"]["shared"] is True
    text = run("plugins", "show", "kafka").stdout
    assert "Consumer group" in text


def test_versions_are_told_without_importing(run: Run) -> None:
    found = json.loads(run("version", "-o", "json").stdout)
    assert found["connectors"]["memory"]["clients"] == {}
    assert list(found["connectors"]["kafka"]["clients"]) == ["confluent-kafka"]


def test_the_schema_is_one(run: Run) -> None:
    assert json.loads(run("schema").stdout)["$schema"].startswith("https://json-schema.org/")


def test_completion_is_for_three_shells(run: Run) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_EVENTSPAN_COMPLETE" in run("completion", shell).stdout
    words = {"_EVENTSPAN_COMPLETE": "bash_complete", "COMP_WORDS": "eventspan r", "COMP_CWORD": "1"}
    assert run(env=words).stdout.split() == ["plain,run", "plain,recv"]

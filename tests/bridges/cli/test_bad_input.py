"""Bad calls and bad files: a typed message, exit code 2, no traceback, within a second."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.command import ENDLESS, FINITE, Run, Start, Write, command, until


def refused(done: "subprocess.CompletedProcess[str]", *words: str, code: int = 2) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_closed_standard_input_is_told(environment: dict[str, str]) -> None:
    line = " ".join([*command(["run", "-"]), "<&-"])
    done = subprocess.run(
        line, shell=True, capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    refused(done, "standard input is closed")


@pytest.mark.parametrize("verb", ["run", "lint"])
def test_missing_files_and_folders_without_files_are_told(run: Run, tmp_path: Path, verb: str) -> None:
    done = run(verb, str(tmp_path / "nothing.yaml"))
    refused(done if verb == "run" else _merged(done), "nothing.yaml", "No such file")
    done = run(verb, str(tmp_path))
    refused(done if verb == "run" else _merged(done), "holds no *.yaml")


def _merged(done: "subprocess.CompletedProcess[str]") -> "subprocess.CompletedProcess[str]":
    """What ``lint`` finds is its answer, so it stands on standard output."""
    return subprocess.CompletedProcess(done.args, done.returncode, "", done.stdout + done.stderr)


def test_what_cannot_be_read_is_told(run: Run, tmp_path: Path) -> None:
    loop, pipe = tmp_path / "loop.yaml", tmp_path / "pipe.yaml"
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    refused(run("run", str(loop)), "loop.yaml", "symbolic links")
    refused(run("run", str(pipe)), "pipe.yaml", "not a regular file")


@pytest.mark.parametrize("name", ["‮orders", "órders", "../../x", "a\\x1bb"])
def test_names_that_could_mislead_are_refused_and_shown_harmless(run: Run, write: Write, name: str) -> None:
    done = run("run", write(FINITE.replace("orders:", f'"{name}":')))
    refused(done, "ES106")
    assert "‮" not in done.stderr
    assert "\x1b" not in done.stderr


def test_a_second_run_of_a_bridge_is_refused(run: Run, start: Start, write: Write) -> None:
    path = write(ENDLESS)
    process = start("run", path)
    until(process, "bridge running")
    refused(run("run", path), "bridge orders is running already", str(process.pid))


def test_a_killed_run_does_not_keep_the_next_one_out(run: Run, start: Start, write: Write) -> None:
    process = start("run", write(ENDLESS))
    until(process, "bridge running")
    process.kill()
    process.wait(timeout=10)
    assert run("run", write(FINITE)).returncode == 0


def test_a_state_folder_that_cannot_be_is_told(run: Run, write: Write, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("run", write(FINITE), "--state", str(tmp_path / "file" / "state"))
    refused(done, "error: ", code=2)


def test_every_fault_is_told_at_once(run: Run, write: Write) -> None:
    done = run(
        "run", write(FINITE.replace("type: memory, name: in", "type: memori").replace("stop", "stopp"))
    )
    refused(done, "ES301", "did you mean 'memory'", "bridges.yaml:4:")
    assert done.stderr.count("error[") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["run", "--untill", "drained", "x"], "Did you mean '--until'?"),
        (["run"], "missing argument"),
        (["run", "x", "--processes", "0"], "1<=x<=256"),
        (["send", "nosuch:x"], "no connector called 'nosuch'"),
        (["send", "kafka:x"], "not a Kafka address"),
        (["recv", "sqlite", "paht=x"], "did you mean 'path'"),
        (["recv", "sqlite", "path"], "is no key=value"),
        (["recv", "@/nonexistent"], "cannot read /nonexistent"),
        (["convert", "--from", "json", "--to", "kfka"], "kafka-binary"),
        (["offsets", "show", "nothing"], "'nothing' is no file"),
        (["offsets", "set", "nothing", "--to", "latest"], "'nothing' is no file"),
        (["plugins", "show", "nosuch"], "installed: "),
        (["quickstart", "--for", "10"], "--for"),
    ],
)
def test_wrong_calls(run: Run, arguments: list[str], words: str) -> None:
    refused(run(*arguments), words)


def test_a_wrong_file_is_told_within_a_second(run: Run, write: Write) -> None:
    def secs(*arguments: str) -> float:
        began = time.perf_counter()
        run(*arguments)
        return time.perf_counter() - began

    path = write(FINITE.replace("dead_letter: stop", "dead_letter: 5"))
    start = min(secs("--help") for _ in range(3))
    assert min(secs("run", path) for _ in range(3)) - start < 1


def test_nobody_reading_is_no_error_worth_a_word(run: Run) -> None:
    line = " ".join([*command(["schema"]), "| true"])
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "ls"], ["schema"]], ids=" ".join)
def test_a_closed_pipe_ends_it_quietly(start: Start, arguments: list[str]) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    process = start(*arguments, stdout=theirs)
    os.close(theirs)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 1
    assert words == ""


def test_any_locale_will_do(run: Run, write: Write) -> None:
    text = FINITE.replace("dead_letter: stop", "description: größer\n    dead_lettr: ü")
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run("lint", write(text), env=plain)
    assert done.returncode == 2
    assert "ES101" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_defect_is_told_in_one_line_and_shown_on_request() -> None:
    code = (
        "import sys\nfrom eventspan_bridges.cli import boundary, lint\n"
        "lint.command.callback = lambda **_: 1 // 0\nsys.exit(boundary.guarded(sys.argv[1:]))"
    )

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
        )

    done = call("lint", "x")
    assert (done.returncode, done.stderr.count("\n")) == (1, 2)
    assert "error: ZeroDivisionError" in done.stderr
    assert "this is a defect; run with --debug for the traceback" in done.stderr
    assert "Traceback" in call("--debug", "lint", "x").stderr

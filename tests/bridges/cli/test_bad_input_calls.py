"""Calls that cannot be meant, and terminals that are none: words, an exit code, and no traceback."""

import json
import os
import signal
from pathlib import Path

import pytest

from harness.answer import COMMAND, Answer, Running, assert_refused, call, canary

FINITE = """\
version: 1
bridges:
  orders:
    source: {type: file, path: in.jsonl}
    sink: {type: file, path: out.jsonl}
    dead_letter: stop
"""
ENDLESS = FINITE.replace("in.jsonl}", "in.jsonl, follow: true}")
EVENT = '{"specversion":"1.0","id":"1","source":"/s","type":"t"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in.jsonl").write_text(EVENT * 3)
    (tmp_path / "good.yaml").write_text(FINITE)
    (tmp_path / "endless.yaml").write_text(ENDLESS)
    return tmp_path


def shell(folder: Path, words: str, **more: str) -> Answer:
    """The command with what a shell does to its streams; COMMAND stands for its words."""
    line = words.replace("COMMAND", " ".join(COMMAND))
    return call(folder, "-c", line, command=["bash"], env=more)


@pytest.mark.parametrize("verb", ["lint", "run --state state"])
def test_standard_input_that_is_closed_is_named(folder: Path, verb: str) -> None:
    answer = shell(folder, f"COMMAND {verb} - <&-")
    assert_refused(answer, "standard input is closed", "help: give a file")


@pytest.mark.parametrize("verb", ["lint", "run --state state"])
def test_standard_input_that_is_empty_is_named(folder: Path, verb: str) -> None:
    assert_refused(shell(folder, f"COMMAND {verb} - </dev/null"), "<stdin>:1:1: error[ES007 ")


@pytest.mark.parametrize("verb", ["lint", "run"])
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("none.yaml", "none.yaml:1:1: error[ES001 unreadable]: cannot read it: No such file"),
        ("empty", "empty:1:1: error[ES001 unreadable]: the folder holds no *.yaml file"),
        ("closed.yaml", "'closed.yaml' is not readable"),
        ("closed", "'closed' is not readable"),
        ("pipe", "pipe:1:1: error[ES001 unreadable]: not a regular file"),
        ("good.yaml/x", "cannot read it: Not a directory"),
        ("loop.yaml", "loop.yaml:1:1: error[ES001 unreadable]: cannot read it: Too many levels"),
        ("x" * 5000, "cannot read it: File name too long"),
        ("n\nx\x1b[31m.yaml", "n\\nx\\x1b[31m.yaml:1:1: error[ES001 "),
        ("a\u202eb.yaml", "a\\u202eb.yaml:1:1: error[ES001 "),
    ],
    ids=[
        "missing",
        "empty",
        "no right",
        "no right to the folder",
        "pipe",
        "below a file",
        "loop",
        "long",
        "escape",
        "rtl",
    ],
)
def test_what_is_no_file_is_named(folder: Path, verb: str, path: str, words: str) -> None:
    for name in ("empty", "closed"):
        (folder / name).mkdir()
    (folder / "closed" / "a.yaml").write_text(FINITE)
    (folder / "closed.yaml").write_text(FINITE)
    (folder / "closed").chmod(0)
    (folder / "closed.yaml").chmod(0)
    (folder / "loop.yaml").symlink_to("loop.yaml")
    os.mkfifo(folder / "pipe")
    more = ["--state", "state"] if verb == "run" else []
    answer = call(folder, verb, path, *more, confined=True)
    assert_refused(answer, words)
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "missing argument"),
        (["run", "good.yaml", "--bridge", "ordres"], "no bridge is called 'ordres'"),
        (["run", "good.yaml", "--bridge", "../../x"], "no bridge is called '../../x'"),
        (["run", "good.yaml", "--bridge", "a\u202eb\x1b[2J"], "no bridge is called"),
        (["run", "good.yaml", "--processes", "0"], "--processes"),
        (["run", "good.yaml", "--processes", "1e9"], "--processes"),
        (["run", "good.yaml", "--until", "tomorrow"], "--until"),
        (["run", "good.yaml", "--state", "in.jsonl"], "in.jsonl"),
        (["run", "good.yaml", "--state", "/proc/nowhere"], "/proc/nowhere"),
        (["run", "good.yaml", "--state", "x" * 5000], "File name too long"),
        (["run", "good.yaml", "--env-file", "none.env"], "cannot read none.env: No such file"),
        (["run", "good.yaml", "--env-file", "."], "cannot read .: Is a directory"),
        (["run", "good.yaml", "--env-file", "/dev/zero"], "/dev/zero is larger than 1 MiB"),
        (["run", "-", "good.yaml"], "standard input is read alone"),
        (["rnu", "good.yaml"], "rnu"),
        (["--nonsense"], "--nonsense"),
        (["plugins", "show", "kafak"], "no connector called 'kafak'"),
        (["lint", "good.yaml", "-o", "xml"], "xml"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(value)[:30],
)
def test_a_call_that_cannot_be_meant(folder: Path, arguments: list[str], words: str) -> None:
    more = [] if "--state" in arguments or arguments[0] != "run" else ["--state", "state"]
    answer = call(folder, *arguments, *more)
    assert_refused(answer, words)
    assert not {"\x1b", "\u202e"} & set(answer.text)
    assert not (folder / "out.jsonl").exists()


def test_a_fault_in_an_environment_file_shows_no_secret(folder: Path) -> None:
    secret = canary()
    for text in (f"PASSWORD {secret}\n", f"export 1PASSWORD={secret}\n", f"={secret}\n"):
        (folder / "bad.env").write_text(f"A=1\n{text}")
        answer = call(folder, "run", "good.yaml", "--env-file", "bad.env", "--state", "state")
        assert_refused(answer, "bad.env:2: no NAME=value", secrets=[secret])
    (folder / "bad.env").write_bytes(b"A=\xff" + secret.encode())
    answer = call(folder, "run", "good.yaml", "--env-file", "bad.env", "--state", "state")
    assert_refused(answer, "bad.env is not UTF-8", secrets=[secret])


def test_a_second_run_on_the_same_state_is_refused_and_the_first_goes_on(folder: Path) -> None:
    with Running(folder, "run", "endless.yaml", "--state", "state") as first:
        first.until(
            lambda: (folder / "out.jsonl").exists() and (folder / "out.jsonl").read_text() == EVENT * 3
        )
        answer = call(folder, "run", "endless.yaml", "--state", "state")
        assert_refused(answer, "bridge orders is running already", str(first.pid), "help: stop it")
        with (folder / "in.jsonl").open("a") as file:
            file.write(EVENT)
        first.until(lambda: (folder / "out.jsonl").read_text() == EVENT * 4)
        assert first.stopped() == 0
    answer = call(folder, "run", "good.yaml", "--state", "state", "--until", "drained")
    assert (answer.status, (folder / "out.jsonl").read_text()) == (0, EVENT * 4)


def test_a_run_that_was_killed_does_not_keep_its_place(folder: Path) -> None:
    with Running(folder, "run", "endless.yaml", "--state", "state") as first:
        first.says("source running")
        os.kill(first.pid, signal.SIGKILL)
        assert first.ended() == -signal.SIGKILL
    answer = call(folder, "run", "good.yaml", "--state", "state", "--until", "drained")
    assert answer.status == 0, answer.text
    assert (folder / "out.jsonl").read_text().count("\n") >= 3


@pytest.mark.parametrize(
    "words", ["plugins ls", "schema", "plugins show kafka", "lint good.yaml none.yaml -o json", "--help"]
)
def test_a_reader_that_goes_away_is_no_error_to_talk_about(folder: Path, words: str) -> None:
    answer = shell(folder, f"COMMAND {words} | true; echo status=${{PIPESTATUS[0]}}")
    assert "Traceback" not in answer.text
    assert "Broken" not in answer.text
    assert any(f"status={code}" in answer.out for code in (0, 1, 2)), answer.text


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_nothing_is_lost_without_a_place_to_talk(folder: Path, closed: str) -> None:
    answer = shell(folder, f"COMMAND run good.yaml --state state --until drained {closed}")
    assert answer.status == 0, answer.text
    assert "Traceback" not in answer.text
    assert (folder / "out.jsonl").read_text() == EVENT * 3


@pytest.mark.parametrize("reader", ["| head -1", ">&-"])
def test_events_for_a_reader_that_goes_away_are_kept(folder: Path, reader: str) -> None:
    text = FINITE.replace("out.jsonl", "'-'").replace(
        "stop\n", "stop\n    delivery: {drain_timeout: 500ms}\n"
    )
    (folder / "good.yaml").write_text(text)
    (folder / "in.jsonl").write_text("".join(EVENT.replace('"1"', f'"{n}"') for n in range(3000)))
    words = (
        f"COMMAND run good.yaml --state state --until drained {reader}; echo status=${{PIPESTATUS[0]}} >&2"
    )
    answer = shell(folder, words)
    assert_refused(answer, "orders sinks.sink halted", "standard output", "status=3", status=0)
    again = call(folder, "run", "good.yaml", "--state", "state", "--until", "drained")
    assert again.status == 0, again.text
    ids = [int(json.loads(line)["id"]) for line in again.out.splitlines()]
    # What was handed to a reader counts as delivered, whatever it made of it.
    assert ids == list(range(3000 - len(ids), 3000))
    assert len(ids) == 3000 if reader == ">&-" else ids


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1", "nonsense"])
def test_a_terminal_without_letters_gets_escapes(folder: Path, locale: str) -> None:
    text = FINITE.replace("in.jsonl", "größe-🔑.jsonl").replace("dead_letter: stop", "dead_letter: ошибка")
    (folder / "bad.yaml").write_text(text)
    more = {"LANG": locale, "LC_ALL": locale, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    answer = call(folder, "lint", "bad.yaml", env=more)
    assert_refused(answer, "bad.yaml:6:18: error[ES103 ")
    answer = call(folder, "run", "good.yaml", "--state", "stätte", "--until", "drained", env=more)
    assert answer.status == 0, answer.text


def test_colours_and_bars_are_for_terminals(folder: Path) -> None:
    answer = call(
        folder, "run", "good.yaml", "--state", "state", "--until", "drained", env={"TERM": "xterm-256color"}
    )
    assert answer.status == 0, answer.text
    assert "\x1b" not in answer.text
    assert "\r" not in answer.text

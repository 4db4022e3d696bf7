"""References: values from outside that stay values."""

import os
from pathlib import Path

import pytest

from eventspan_bridges.settings import BridgeSettings
from eventspan_bridges.settings.check import Checked, check_text

FILE = """\
version: 1
bridges:
  one:
    description: {0}
    source: {{type: memory, name: a, lanes: {1}}}
    sink: {{type: memory, name: b}}
    dead_letter: stop
"""


def checked(description: str = "x", lanes: str = "1", **environment: str) -> Checked:
    return check_text(FILE.format(description, lanes).encode(), "f.yaml", environment)


def bridge(description: str = "x", lanes: str = "1", **environment: str) -> BridgeSettings:
    [found] = checked(description, lanes, **environment).accepted()
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "1: [x]"),
        ("${env:A}", "1: [x]"),
        ("${NONE:-it}", "it"),
        ("${EMPTY:-it}", "it"),
        ("${NONE:-}", ""),
        ("'$${A} ${A}'", "${A} 1: [x]"),
        ("${SELF}", "${env:SELF}"),
        ("'%$\"'", '%$"'),
        ("${EMOJI}", "p%\"'\n${x 🔑"),
    ],
)
def test_a_value_is_put_in_once_and_never_read_again(text: str, value: str) -> None:
    environment = {"A": "1: [x]", "EMPTY": "", "SELF": "${env:SELF}", "EMOJI": "p%\"'\n${x 🔑"}
    assert bridge(text, **environment).description == value


def test_a_number_may_come_by_reference_and_only_so() -> None:
    assert bridge(lanes='"${LANES}"', LANES="3").source.settings.lanes == 3  # type: ignore[attr-defined] # memory's own
    for lanes, environment in (('"3"', {}), ('"${LANES}"', {"LANES": "3 "}), ('"${LANES}"', {"LANES": "x"})):
        [problem] = checked("x", lanes, **environment).problems
        assert (problem.code.id, problem.place.line, problem.place.column) == ("ES103", 5, 44)


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("${UNSET}", "ES201", 18),
        ("a ${UNSET}", "ES201", 20),
        ("${}", "ES202", 18),
        ("${1A}", "ES202", 18),
        ("${A", "ES202", 18),
        ("${file:relative}", "ES202", 18),
        ("${secret:../x}", "ES202", 18),
        ("${file:/etc/../etc/shadow}", "ES201", 18),
        ("${file:/proc/self/environ}", "ES201", 18),
        ("${file:/dev/zero}", "ES201", 18),
        ("${file:/}", "ES201", 18),
        ("${file:/nowhere/at/all}", "ES201", 18),
        ("${BRACES}", "ES203", 18),
    ],
)
def test_a_reference_without_a_value_is_a_finding(text: str, code: str, column: int) -> None:
    [problem] = checked(text, BRACES="{{ event.id }}").problems
    assert (problem.code.id, problem.place.line, problem.place.column) == (code, 4, column)


@pytest.mark.parametrize("kind", ["fifo", "large", "binary", "link to proc", "nul"])
def test_only_small_regular_text_files_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link to proc":
            path.symlink_to("/proc/self/environ")
        case "large":
            with path.open("wb") as file:
                file.truncate(5 * 2**30)
        case "nul":
            path.write_bytes(b"a\0")
        case _:
            path.write_bytes(b"\xff\xfe")
    [problem] = checked(f"${{file:{path}}}").problems
    assert problem.code.id == "ES201"


def test_files_and_secrets_lose_one_line_break(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n\n")
    assert bridge(f"${{file:{tmp_path}/token}}").description == "t0ken\n"
    assert bridge("${secret:token}", EVENTSPAN_SECRETS=str(tmp_path)).description == "t0ken\n"


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("bridges: {a: {source: {type: '${T}'}}}", 1, 31),
        ("bridges: {a: {source: {use: '${T}'}}}", 1, 30),
        ("bridges: {a: {steps: [{python: '${T}'}]}}", 1, 33),
        ("bridges: {a: {route: [{when: 'x == ${T}', to: b}]}}", 1, 36),
        ("bridges: {'${T}': {}}", 1, 11),
    ],
)
def test_code_and_structure_take_no_reference(text: str, line: int, column: int) -> None:
    problems = check_text(text.encode(), "f.yaml", {"T": "memory"}).problems
    assert ("ES203", line, column) in {(p.code.id, p.place.line, p.place.column) for p in problems}

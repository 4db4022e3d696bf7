"""Bridge files with values that cannot be meant: refused at their place by ``lint`` and ``run`` alike."""

import os
from pathlib import Path

import pytest

from harness.answer import assert_nowhere, assert_refused, call, canary

MEMORY = "{type: memory, name: x}"
KAFKA = "{type: kafka, servers: ['h:1'], topics: [t], group: g"
AMQP = "{type: amqp, queue: q"


def one(
    source: str = MEMORY, sink: str = "{type: memory, name: y}", more: str = "", dead: str = "stop"
) -> str:
    return (
        f"version: 1\nbridges:\n  a:\n    source: {source}\n    sink: {sink}\n    dead_letter: {dead}\n{more}"
    )


def _log(kind: str, name: str, role: str = "") -> str:
    where = {"memory": f"name: {name}", "sqlite": f"path: s.db, log: {name}"}[kind]
    return f"{{type: {kind}, {where}{role}}}"


def pair(*ends: tuple[str, str], kind: str = "memory", names: tuple[str, str] = ("a", "b")) -> str:
    bridges = "".join(
        f"  {name}: {{source: {_log(kind, read)}, sink: {_log(kind, written)}, dead_letter: stop}}\n"
        for name, (read, written) in zip(names, ends, strict=True)
    )
    return f"version: 1\nbridges:\n{bridges}"


CASES = {
    "variable unset": (one("{type: memory, name: '${env:UNSET}'}"), "4:35: error[ES201 ", "export UNSET="),
    "file by a relative path": (
        one("{type: memory, name: '${file:../../etc/shadow}'}"), "4:35: error[ES202 ",
    ),
    "file by a way up": (one("{type: memory, name: '${file:/x/../etc/shadow}'}"), "4:35: error[ES201 "),
    "file of the process": (one("{type: memory, name: '${file:/proc/self/environ}'}"), "4:35: error[ES201 "),
    "file that never ends": (one("{type: memory, name: '${file:/dev/zero}'}"), "4:35: error[ES201 "),
    "file that is a folder": (one("{type: memory, name: '${file:/}'}"), "4:35: error[ES201 "),
    "file that is a pipe": (one("{type: memory, name: '${file:{folder}/fifo}'}"), "4:35: error[ES201 "),
    "file of 5 GB": (one("{type: memory, name: '${file:{folder}/large}'}"), "4:35: error[ES201 ", "64 KiB"),
    "secret by a way up": (one("{type: memory, name: '${secret:../x}'}"), "4:35: error[ES202 "),
    "connector by reference": (one("{type: '${TOKEN}'}"), "4:21: error[ES203 "),
    "port 0": (one(AMQP + ", port: 0}"), "4:42: error[ES104 "),
    "port -1": (one(AMQP + ", port: -1}"), "4:42: error[ES104 "),
    "port 65536": (one(AMQP + ", port: 65536}"), "4:42: error[ES104 "),
    "port as text": (one(AMQP + ", port: '9092 '}"), "4:42: error[ES103 "),
    "port of a server": (one(KAFKA.replace("h:1", "h:9092 ") + "}"), "4:36: error[ES104 ", "localhost:9092"),
    "port of a URL": (one(AMQP + ", url: 'amqp://h:65536/'}"), "error[ES104 ", "no amqp://"),
    "near miss": (one("{type: memory, nmae: x}"), "4:28: error[ES101 ", "did you mean 'name'?"),
    "near miss of a type": (one("{type: kafak}"), "4:20: error[ES301 ", "did you mean 'kafka'?"),
    "batch 0": (one(KAFKA + ", batch: 0}"), "4:75: error[ES104 "),
    "batch -1": (one(KAFKA + ", batch: -1}"), "4:75: error[ES104 "),
    "batch 10^12": (one(KAFKA + ", batch: 1000000000000}"), "4:75: error[ES104 "),
    "batch true": (one(KAFKA + ", batch: true}"), "4:75: error[ES103 "),
    "timeout inf": (one(more="    delivery: {drain_timeout: inf}\n"), "7:31: error[ES104 "),
    "timeout .inf": (one(more="    delivery: {drain_timeout: .inf}\n"), "7:31: error[ES104 "),
    "timeout nan": (one(more="    delivery: {drain_timeout: .nan}\n"), "7:31: error[ES104 "),
    "timeout -1s": (one(more="    delivery: {drain_timeout: -1s}\n"), "7:31: error[ES104 "),
    "client option that loads code": (
        one(KAFKA + ", options: {plugin.library.paths: x}}"), "4:77: error[ES104 ", "cannot be set",
    ),
    "client option that reads a file": (
        one(KAFKA + ", options: {ssl.ca.location: /etc/shadow}}"), "4:77: error[ES104 ", "cannot be set",
    ),
    "client option that calls out": (
        one(KAFKA + ", options: {sasl.oauthbearer.token.endpoint.url: 'http://169.254.169.254/'}}"),
        "4:77: error[ES104 ",
    ),
    "client option of the producer": (
        one(sink="{type: kafka, servers: ['h:1'], topic: t, options: {enable.idempotence: false}}"),
        "5:62: error[ES104 ",
    ),
    "name twice": (pair(("log1", "log2"), ("log3", "log4"), names=("a", "'a'")), "4:3: error[ES010 "),
    "bridges that lead back": (pair(("log1", "log2"), ("log2", "log1")), "3:3: error[ES509 ", "a -> b -> a"),
    "bridges that lead back on disk": (
        pair(("log1", "log2"), ("log2", "log1"), kind="sqlite"), "error[ES509 ", "a -> b -> a",
    ),
    "bridges of one consumer": (
        pair(("log1", "log2"), ("log1", "log3")), "error[ES510 ", "consumer 'eventspan'",
    ),
    "bridges of one consumer on disk": (
        pair(("log1", "log2"), ("log1", "log3"), kind="sqlite"), "error[ES510 ", "consumer 'eventspan'",
    ),
    "sink that feeds its source": (one(sink=MEMORY), "5:5: error[ES508 ", "go round"),
    "file that feeds its source": (
        one("{type: file, path: [a, x/../b.jsonl], follow: true}", "{type: file, path: b.jsonl}"),
        "5:5: error[ES508 ",
    ),
    "dead letters that come back": (one(dead=MEMORY), "6:5: error[ES507 ", "come back"),
    "dead letters that come back from disk": (
        one(_log("sqlite", "in"), dead=_log("sqlite", "in")), "6:5: error[ES507 ",
    ),
    "dead letters within a glob of topics": (
        one("{type: kafka, servers: ['h:1'], topics: ['orders*'], group: g}",
            dead="{type: kafka, servers: ['h:1'], topic: orders.dlq}"),
        "6:5: error[ES507 ", "come back",
    ),
    "dead letters within an expression for topics": (
        one("{type: kafka, servers: ['h:1'], topics: ['^orders.*'], group: g}",
            dead="{type: kafka, servers: ['h:1'], topic: orders.dlq}"),
        "6:5: error[ES507 ", "come back",
    ),
    "topic that feeds its source": (
        one(KAFKA + "}", "{type: kafka, servers: ['h:1'], topic: t}"), "5:5: error[ES508 ",
    ),
    "topic of one group twice": (
        one(KAFKA + "}") + "  b: {source: " + KAFKA + "}, sink: " + MEMORY + ", dead_letter: stop}\n",
        "error[ES510 ",
    ),
    "queue that feeds its source": (one(AMQP + "}", "{type: amqp, routing_key: q}"), "5:5: error[ES508 "),
    "bridge name that is a path": (one().replace("  a:", "  ../../x:"), "3:3: error[ES106 "),
    "bridge name from right to left": (one().replace("  a:", '  "a\\u202Eb":'), "3:3: error[ES106 "),
    "bridge name beyond ASCII": (one().replace("  a:", "  größe:"), "3:3: error[ES106 "),
    "bridge name of 1,000 letters": (one().replace("  a:", f"  {'a' * 1000}:"), "3:3: error[ES106 "),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), [(c[0], c[1:]) for c in CASES.values()], ids=CASES.keys())
def test_refused_at_its_place(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path, secret = tmp_path / "bad.yaml", canary()
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(5 * 2**30)
    path.write_text(text.replace("{folder}", str(tmp_path)))
    place = words[0] if words[0].startswith("error") else f"{path}:{words[0]}"
    for verb, *more in (["lint"], ["run", "--state", "state"]):
        answer = call(tmp_path, verb, path, *more, env={"TOKEN": secret})
        assert_refused(answer, place, *words[1:], secrets=[secret, "\u202e"])
    assert not (tmp_path / "state").exists()


def test_two_files_with_one_name_are_refused_at_both_places(tmp_path: Path) -> None:
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(one())
    for verb, *more in (["lint"], ["run", "--state", "state"]):
        answer = call(tmp_path, verb, tmp_path, *more)
        for name in ("one.yaml", "two.yaml"):
            assert_refused(answer, f"{tmp_path / name}:3:3: error[ES501 ")


@pytest.mark.parametrize(
    "text", ["no", "12:30:45", "2026-01-01", "y", "0o7x", "~x", "'012'", "'1e3'", '"true"']
)
def test_text_that_other_readers_take_for_something_else_stays_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "in.jsonl").write_text("")
    path = tmp_path / "good.yaml"
    path.write_text(one("{type: file, path: in.jsonl}", f"{{type: file, path: {text}}}"))
    answer = call(tmp_path, "run", path, "--state", "state", "--until", "drained")
    assert answer.status == 0, answer.text
    assert (tmp_path / text.strip("'\"")).is_file()


@pytest.mark.parametrize("value", ["${env:A}", "${A}", "${file:/etc/hostname}", "$(id)", "*x", "&a !!str x"])
def test_a_reference_in_a_value_is_never_followed(tmp_path: Path, value: str) -> None:
    (tmp_path / "in.jsonl").write_text("")
    path = tmp_path / "good.yaml"
    path.write_text(one("{type: file, path: in.jsonl}", "{type: file, path: 'out-${env:A}'}"))
    (tmp_path / f"out-{value}").parent.mkdir(parents=True, exist_ok=True)
    answer = call(tmp_path, "run", path, "--state", "state", "--until", "drained", env={"A": value})
    assert answer.status == 0, answer.text
    assert (tmp_path / f"out-{value}").is_file()


def test_a_password_of_any_characters_is_taken_and_never_shown(tmp_path: Path) -> None:
    secret = canary()
    word = f"{secret}${{A}}%2f%'\"\n{secret}\t🔑{{"
    path = tmp_path / "good.yaml"
    path.write_text(one(AMQP + ", host: 127.0.0.1, port: 1, password: '${WORD}'}"))
    answer = call(tmp_path, "lint", path, env={"WORD": word})
    assert_refused(answer, "0 error(s)", status=0, secrets=[secret])
    path.write_text(one(AMQP + ", password: '${WORD}', heartbeat: 5}"))
    answer = call(tmp_path, "run", path, "--state", "state", env={"WORD": word})
    assert_refused(answer, f"{path}:4:", "error[ES104 ", secrets=[secret])
    assert_nowhere(tmp_path, [secret])


def test_every_fault_of_every_file_comes_at_once(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(one("{type: memory, nam: x}", more="    delivery: {in_flight: 0}\n"))
    (tmp_path / "two.yaml").write_text("version: 1\nbridges: [\n")
    answer = call(tmp_path, "run", tmp_path, "--state", "state")
    assert_refused(answer, "one.yaml:4:28: error[ES101 ", "one.yaml:7:27: error[ES104 ", "two.yaml:")

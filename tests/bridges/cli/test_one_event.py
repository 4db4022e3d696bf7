"""``send``, ``recv`` and ``convert``: what goes in comes out, and what cannot is told."""

import json
import os
import signal
from pathlib import Path

import pytest

from harness.command import Run, Start, Write


def event(number: int) -> str:
    return json.dumps(
        {"specversion": "1.0", "id": str(number), "source": "/s", "type": "t", "data": {"n": number}}
    )


def ids(lines: str) -> list[str]:
    return [json.loads(line)["id"] for line in lines.splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path}/log.db?log=x"


def test_what_was_sent_is_received_once(run: Run, log: str) -> None:
    sent = run("send", log, input="\n".join(map(event, range(1200))) + "\n")
    assert sent.returncode == 0, sent.stderr
    assert "1200 sent, 0 refused" in sent.stderr
    assert ids(run("recv", log, "-e").stdout) == [str(n) for n in range(1200)]
    assert run("recv", log, "-e").stdout == ""


def test_one_bad_line_is_told_and_the_others_go_through(run: Run, log: str) -> None:
    sent = run("send", log, input=f"{event(1)}\n{{bad\n{event(2)}")
    assert sent.returncode == 1
    assert "error: -:2:2: " in sent.stderr
    assert "2 sent, 1 refused" in sent.stderr
    assert ids(run("recv", log, "-e").stdout) == ["1", "2"]


def test_exactly_as_many_as_asked_for_are_consumed(run: Run, log: str) -> None:
    run("send", log, input="\n".join(map(event, range(5))))
    assert ids(run("recv", log, "-n", "2").stdout) == ["0", "1"]
    assert ids(run("recv", log, "-n", "2").stdout) == ["2", "3"]


def test_looking_consumes_nothing(run: Run, log: str) -> None:
    run("send", log, input="\n".join(map(event, range(3))))
    assert ids(run("recv", log, "--no-ack").stdout) == ["0", "1", "2"]
    assert ids(run("recv", log, "--no-ack", "-n", "1").stdout) == ["0"]
    assert ids(run("recv", log, "-e").stdout) == ["0", "1", "2"]


def test_what_nobody_reads_is_not_acknowledged(run: Run, start: Start, log: str) -> None:
    run("send", log, input="\n".join(map(event, range(3))))
    ours, theirs = os.pipe()
    os.close(ours)
    process = start("recv", log, stdout=theirs)
    os.close(theirs)
    _, words = process.communicate(timeout=30)
    assert (process.returncode, words) == (1, "")
    assert ids(run("recv", log, "-e").stdout) == ["0", "1", "2"]


def test_receiving_waits_until_it_is_interrupted(run: Run, start: Start, log: str) -> None:
    run("send", log, input=event(7))
    process = start("recv", log)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["id"] == "7"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0


def test_records_bring_their_key_along(run: Run, log: str, tmp_path: Path) -> None:
    assert (
        run("send", log, "--key", "subject", input=event(1).replace("}}", '},"subject":"k"}')).returncode == 0
    )
    records = run("recv", log, "-e", "-o", "record").stdout
    assert json.loads(records)["key"] == "aw=="
    other = f"sqlite:{tmp_path}/other.db"
    assert run("send", other, input=records).returncode == 0
    assert json.loads(run("recv", other, "-e", "-o", "record").stdout)["key"] == "aw=="


def test_an_end_can_be_told_in_every_way(run: Run, write: Write, tmp_path: Path) -> None:
    side = f'{{"type": "sqlite", "path": "{tmp_path}/log.db"}}'
    (tmp_path / "side.json").write_text(side)
    bridge = f"{{source: {{type: memory, name: in}}, sinks: {{all: {side}}}, dead_letter: stop}}"
    path = write(f"version: 1\nbridges:\n  b: {bridge}\n")
    targets = [[f"@{tmp_path}/side.json"], [f"@{path}#b/all"], ["sqlite", f"path={tmp_path}/log.db"]]
    for number, target in enumerate(targets):
        done = run("send", *target, input=event(number))
        assert done.returncode == 0, done.stderr
    assert ids(run("recv", f"@{tmp_path}/side.json", "-e").stdout) == ["0", "1", "2"]


def test_an_end_that_is_not_there_is_given_up(run: Run, tmp_path: Path) -> None:
    done = run("send", f"sqlite:{tmp_path}/no/such/folder/x.db", "--timeout", "1", input=event(1))
    assert done.returncode == 1
    assert "error: sinks.sink: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "form", ["kafka-binary", "kafka-structured", "amqp-binary", "amqp-structured", "json"]
)
def test_every_form_brings_the_event_back(run: Run, form: str) -> None:
    line = '{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"ü","n":5,"data_base64":"/w=="}'
    there = run("convert", "--from", "json", "--to", form, input=line)
    back = run("convert", "--from", form, "--to", "json", input=there.stdout)
    assert json.loads(back.stdout) == json.loads(line) | {"n": json.loads(back.stdout)["n"]}
    assert str(json.loads(back.stdout)["n"]) == "5"


def test_a_header_map_is_shown(run: Run) -> None:
    done = run("convert", "--from", "json", "--to", "kafka-binary", input=event(1))
    assert ["ce_id", "1"] in json.loads(done.stdout)["headers"]
    assert json.loads(done.stdout)["body"] == '{"n": 1}'


@pytest.mark.parametrize(
    "bad",
    ["no json", "[]", '{"headers": 5}', '{"headers": [["a"]]}', '{"body": 5}', '{"key_base64": "?"}', "{}"],
)
def test_a_bad_description_is_told_by_its_line(run: Run, bad: str) -> None:
    good = run("convert", "--from", "json", "--to", "kafka-binary", input=event(1)).stdout
    done = run("convert", "--from", "kafka-binary", "--to", "json", input=f"{bad}\n{good}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: line 1: ")
    assert ids(done.stdout) == ["1"]

"""Whole bridge files: what they give, and every fault at its place."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from eventspan.errors import ConfigError
from eventspan_bridges.settings import load
from eventspan_bridges.settings.check import check, check_text
from eventspan_bridges.settings.problems import CODES, BridgeFileError, Problem

GOOD = """\
version: 1
x-memory: &memory {type: memory, lanes: "${LANES:-2}"}
defaults: {delivery: {in_flight: 100}, dead_letter: stop}
connections:
  log: {type: memory, lanes: 2}
bridges:
  orders:
    description: one of everything
    source: {<<: *memory, name: orders}
    steps:
      - filter: event.type.startsWith("order.")
      - set: {subject: event.data.order_id}
    route:
      - {when: event.type == "order.cancelled", to: [cancelled, all]}
      - {otherwise: all}
    sinks:
      all: {use: log, name: all, order_by: event.subject}
      cancelled: {<<: *memory, name: cancelled, optional: true, buffer: {events: 5}}
    delivery: {ordering: lane, drain_timeout: 5s}
    retry: {first: 100ms, max: 1m}
    limits: {rate: 5000/s, max_event: 4MiB}
    dead_letter: {<<: *memory, name: dead}
    tests:
      - name: a cancelled order goes to its queue
        given: [{type: order.cancelled, id: "1", source: /shop}]
        expect: {cancelled: [{match: 'event.id == "1"'}]}
"""
BRIDGE = "version: 1\nbridges:\n  a:\n    source: {0}\n    sink: {1}\n    dead_letter: {2}\n"
MEMORY = "{type: memory, name: x}"


def problems(text: str) -> tuple[Problem, ...]:
    return check_text(text.encode(), "f.yaml", {}).problems


def found(text: str) -> set[tuple[str, int, int]]:
    return {(p.code.id, p.place.line, p.place.column) for p in problems(text)}


OTHER = "{type: memory, name: y}"


def one(source: str = MEMORY, sink: str = OTHER, dead_letter: str = "stop", more: str = "") -> str:
    return BRIDGE.format(source, sink, dead_letter) + more


def test_a_complete_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(GOOD)
    [bridge] = load([path], {"LANES": "3"})
    assert (bridge.name, bridge.place.line, bridge.source.side) == ("orders", 7, "source")
    assert bridge.source.settings.model_dump()["lanes"] == 3
    assert [step.name for step in bridge.steps] == ["filter", "set"]
    assert bridge.route is not None
    assert [route.to for route in bridge.route] == [("cancelled", "all"), ("all",)]
    assert (bridge.sinks["all"].side, bridge.sinks["all"].order_by is None) == ("sinks.all", False)
    assert (bridge.sinks["cancelled"].optional, bridge.sinks["cancelled"].buffer.events) == (True, 5)
    assert (bridge.delivery.in_flight, bridge.delivery.ordering, bridge.delivery.drain_timeout) == (
        100,
        "lane",
        5,
    )
    assert (bridge.retry.first, bridge.retry.max, bridge.limits.rate) == (0.1, 60, 5000)
    assert bridge.dead_letter is not None
    assert bridge.dead_letter.settings.model_dump()["name"] == "dead"
    assert bridge.tests[0]["expect"] == {"cancelled": [{"match": 'event.id == "1"'}]}


FAULTS = [
    ("no version", "bridges: {}", "ES102", 1, 1),
    ("version as text", "version: '1'\nbridges: {}", "ES104", 1, 10),
    ("version true", "version: true\nbridges: {}", "ES104", 1, 10),
    ("no bridges", "version: 1", "ES102", 1, 1),
    ("a list", "- version: 1", "ES103", 1, 1),
    ("unknown key at the top", "version: 1\nbrigdes: {}", "ES101", 2, 1),
    ("null bridge", "version: 1\nbridges:\n  a:\n", "ES103", 3, 3),
    ("bridge name that is a path", "version: 1\nbridges: {../../x: {}}", "ES106", 2, 11),
    ("bridge name from right to left", 'version: 1\nbridges: {"a\\u202Eb": {}}', "ES106", 2, 11),
    ("no dead letter", "version: 1\nbridges: {a: {source: {type: memory, name: x}}}", "ES102", 2, 11),
    ("dead letter of another word", one(dead_letter="halt"), "ES103", 6, 18),
    (
        "computed dead letter",
        one(dead_letter="{type: kafka, servers: ['h:1'], topic: 'd.{{ event.type }}'}"),
        "ES104",
        6,
        5,
    ),
    (
        "no sink",
        "version: 1\nbridges: {a: {source: {type: memory, name: x}, dead_letter: stop}}",
        "ES102",
        2,
        11,
    ),
    ("sink and sinks", one(more="    sinks: {}\n"), "ES107", 5, 5),
    ("unknown connector", one("{type: memoryy}"), "ES301", 4, 20),
    ("no type", one("{name: x}"), "ES102", 4, 5),
    ("type and use", one("{type: memory, use: c}"), "ES107", 4, 14),
    ("unknown connection", one("{use: c}"), "ES304", 4, 19),
    ("unknown key of a connector", one("{type: memory, nam: x}"), "ES101", 4, 28),
    ("missing key of a connector", one("{type: memory}"), "ES102", 4, 5),
    ("number as text", one("{type: memory, name: 012}"), "ES105", 4, 34),
    ("float as text", one("{type: memory, name: 1e3}"), "ES105", 4, 34),
    ("boolean as text", one("{type: memory, name: true}"), "ES105", 4, 34),
    ("batch 0", one("{type: memory, name: x, batch: 0}"), "ES104", 4, 44),
    ("batch -1", one("{type: memory, name: x, batch: -1}"), "ES104", 4, 44),
    ("batch 10^12", one("{type: memory, name: x, batch: 1000000000000}"), "ES104", 4, 44),
    ("batch true", one("{type: memory, name: x, batch: true}"), "ES103", 4, 44),
    ("batch as text", one("{type: memory, name: x, batch: '5'}"), "ES103", 4, 44),
    ("batch with _", one("{type: memory, name: x, batch: 1_000}"), "ES103", 4, 44),
    ("batch inf", one("{type: memory, name: x, batch: .inf}"), "ES103", 4, 44),
    ("start near miss", one("{type: memory, name: x, start: earlyest}"), "ES104", 4, 44),
    ("port 0", one("{type: kafka, servers: ['h:0'], topics: [t], group: g}"), "ES104", 4, 36),
    ("port -1", one("{type: kafka, servers: ['h:-1'], topics: [t], group: g}"), "ES104", 4, 36),
    ("port 65536", one("{type: kafka, servers: ['h:65536'], topics: [t], group: g}"), "ES104", 4, 36),
    ("port with a space", one("{type: kafka, servers: ['h:9092 '], topics: [t], group: g}"), "ES104", 4, 36),
    (
        "client option",
        one("{type: kafka, servers: ['h:1'], topics: [t], group: g, options: {plugin.library.paths: x}}"),
        "ES104",
        4,
        77,
    ),
    ("timeout inf", one(more="    delivery: {drain_timeout: inf}\n"), "ES104", 7, 31),
    ("timeout .inf", one(more="    delivery: {drain_timeout: .inf}\n"), "ES104", 7, 31),
    ("timeout nan", one(more="    delivery: {drain_timeout: .nan}\n"), "ES104", 7, 31),
    ("timeout -1s", one(more="    delivery: {drain_timeout: -1s}\n"), "ES104", 7, 31),
    ("window 0", one(more="    delivery: {in_flight: 0}\n"), "ES104", 7, 27),
    ("retry that shrinks", one(more="    retry: {first: 2s, max: 1s}\n"), "ES104", 7, 5),
    ("guarantee spelled otherwise", one(more="    delivery: {guarantee: at-least-once}\n"), "ES104", 7, 27),
    ("exactly once", one(more="    delivery: {guarantee: exactly_once}\n"), "ES502", 5, 5),
    ("filter", one(more="    steps:\n      - filter: event.type ==\n"), "ES401", 8, 30),
    ("set", one(more='    steps:\n      - set: {subject: event.id, b: "1 +"}\n'), "ES401", 8, 41),
    ("unknown step", one(more="    steps:\n      - fliter: event.type\n"), "ES401", 8, 9),
    (
        "step of two names",
        one(more="    steps:\n      - {filter: 'true', drop_fields: [a]}\n"),
        "ES103",
        8,
        9,
    ),
    ("order_by", one(sink="{type: memory, name: x, order_by: 'event.'}"), "ES401", 5, 52),
    ("buffer without optional", one(sink="{type: memory, name: x, buffer: {events: 5}}"), "ES107", 5, 35),
    ("unconfined", one(sink="{type: kafka, servers: ['h:1'], topic: '{{ event.type }}'}"), "ES401", 5, 51),
    ("route to nothing", one(more="    route: [{otherwise: snik}]\n"), "ES503", 7, 25),
    (
        "route behind otherwise",
        one(more="    route: [{otherwise: sink}, {when: 'true', to: sink}]\n"),
        "ES506",
        7,
        32,
    ),
    ("no otherwise", one(more="    route: [{when: 'true', to: sink}]\n"), "ES505", 7, 5),
    ("sink nobody reaches", one(more="    route: [{otherwise: []}]\n"), "ES504", 5, 5),
    (
        "test of another sink",
        one(more="    tests: [{name: a, given: [], expect: {snik: []}}]\n"),
        "ES503",
        7,
        43,
    ),
]


@pytest.mark.parametrize(
    ("text", "code", "line", "column"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_each_fault_has_its_code_and_place(text: str, code: str, line: int, column: int) -> None:
    assert (code, line, column) in found(text)


def test_all_faults_come_at_once_in_order() -> None:
    text = one("{type: memory, nam: x}", "{type: memoryy}", more="    delivery: {in_flight: 0}\n")
    shown = problems(text)
    assert [p.code.id for p in shown] == ["ES102", "ES101", "ES301", "ES104"]
    assert [p.place for p in shown] == sorted(p.place for p in shown)
    assert all(p.code in CODES.values() for p in shown)


def test_a_fault_in_an_anchor_is_told_once() -> None:
    text = (
        "version: 1\nx-m: &m {type: memory, name: 5}\nbridges: {a: {source: *m, sink: *m, dead_letter: *m}}\n"
    )
    assert [p.code.id for p in problems(text)] == ["ES105"]


def test_a_finding_shows_its_line_and_what_to_do() -> None:
    [problem] = problems(one("{type: memory, name: x, bacth: 5}"))
    assert problem.render() == (
        "f.yaml:4:37: error[ES101 unknown-key]: unknown key 'bacth'\n"
        " 4 |     source: {type: memory, name: x, bacth: 5}\n"
        "   |                                     ^\n"
        "   = help: did you mean 'batch'?"
    )


def test_suggestions_are_of_the_chosen_connector_only() -> None:
    text = one("{type: memory, name: x, topic: y}")
    assert "topics" not in str([p.help for p in problems(text)])


@pytest.mark.parametrize(
    "sasl",
    [
        "{mechanism: PLAIN, username: u, password: CANARY-1}",
        "{mechanism: PLAIN, username: u, password: 'CANARY-1', pasword: x}",
        "{mechanism: PLAIN, username: u, passwrd: CANARY-1}",
        "{mechanism: PLAIN, username: u, password: [CANARY-1]}",
        '{mechanism: PLAIN, username: u, password: "CANARY-1',
        "{mechanism: CANARY-1, username: u, password: '${file:CANARY}'}",
        "{mechanism: '${file:CANARY}', username: CANARY-1, password: CANARY-1}",
    ],
)
def test_a_secret_is_in_no_message(tmp_path: Path, sasl: str) -> None:
    (tmp_path / "it").write_text("CANARY-1\n")
    text = one(
        f"{{type: kafka, topics: [t], start: x, sasl: {sasl.replace('file:CANARY', f'file:{tmp_path}/it')}}}"
    )
    error = BridgeFileError(problems(text))
    assert error.problems
    assert "CANARY-1" not in str(error).replace("mechanism: CANARY-1", "")


def test_the_password_of_a_url_is_in_no_message() -> None:
    text = one("{type: memory, name: x, url: 'amqp://u:p%40ss@h/%2f'}")
    shown = str(BridgeFileError(problems(text)))
    assert "amqp://u:***@h" in shown
    assert "p%40ss" not in shown


def test_nothing_in_a_finding_moves_the_terminal() -> None:
    shown = str(BridgeFileError(problems('version: 1\nbridges: {"a\\e[31m\\u202Eb": {}, "c\u202ed": {}}\n')))
    assert not {"\x1b", "\u202e"} & set(shown)


def test_a_missing_client_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ConfigError("connector 'kafka' needs a package", help="pip install 'eventspan[kafka]'")

    monkeypatch.setattr("eventspan.registry.load", missing)
    first = problems(one("{type: kafka}"))[0]
    assert (first.code.id, first.place.column) == ("ES302", 20)
    assert first.help == "pip install 'eventspan[kafka]'"


def test_files_folders_and_what_is_neither(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(one())
    (tmp_path / "c.yml").write_text(one("{type: memory, name: z}"))
    (tmp_path / "empty").mkdir()
    result = check([tmp_path, tmp_path / "none.yaml", tmp_path / "empty", tmp_path / "b.yaml"], {})
    assert [p.code.id for p in result.problems] == ["ES501", "ES501", "ES001", "ES001"]
    with pytest.raises(BridgeFileError):
        result.accepted()


def test_a_long_file_is_read_in_well_under_half_a_second() -> None:
    body = "\n".join(
        f"  b{n}:\n    source: {{type: memory, name: s{n}}}\n"
        f"    sinks:\n      x:\n        type: memory\n        name: t{n}\n"
        f"    delivery:\n      in_flight: 5\n      ordering: key\n    dead_letter: stop"
        for n in range(20)
    )
    text = "version: 1\nbridges:\n" + body
    assert len(text.splitlines()) > 200
    started = time.process_time()
    assert len(check_text(text.encode(), environment={}).accepted()) == 20
    assert time.process_time() - started < 0.5


def test_only_what_is_used_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(one())
    program = (
        "import sys, pathlib\n"
        "from eventspan_bridges.settings import load\n"
        "load([pathlib.Path(sys.argv[1])])\n"
        "print([m for m in ('cel_expr_python', 'confluent_kafka', 'aio_pika') if m in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=20, check=True
    )
    assert shown.stdout.strip() == "[]"

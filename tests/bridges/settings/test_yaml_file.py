"""YAML text: what is read as what, what is refused, and where."""

import time
import tracemalloc

import pytest

from eventspan_bridges.settings.check import check_text
from eventspan_bridges.settings.yaml_file import MAX_BYTES, parse

BOMB = "a: &a [" + "1," * 9 + "]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
)  # fmt: skip

BAD = [
    ("empty", b"", "ES007", 1, 1),
    ("only comments", b"# nothing\n# here\n", "ES007", 1, 1),
    ("UTF-16", "version: 1\n".encode("utf-16"), "ES003", 1, 1),
    ("not UTF-8", b"version: 1\nx-a: \xff\n", "ES003", 2, 6),
    ("NUL", b"version: 1\nx-a: a\0b\n", "ES004", 2, 7),
    ("tab", b"bridges:\n\torders: 1\n", "ES006", 2, 1),
    ("duplicate key", b"version: 1\nbridges: {}\nversion: 1\n", "ES010", 3, 1),
    ("nested duplicate key", b"version: 1\nx-a: {b: 1, b: 2}\n", "ES010", 2, 13),
    ("tag", b"x-a: !!python/object/apply:os.system [ls]\n", "ES009", 1, 6),
    ("alias bomb", BOMB.encode(), "ES013", 4, 4),
    ("self reference", b"a: &a [1, *a]\n", "ES014", 1, 11),
    ("unknown anchor", b"a: *b\n", "ES015", 1, 4),
    ("merge of a number", b"<<: 3\n", "ES016", 1, 5),
    ("10 MB", b"a: " + b"x" * 10_000_000, "ES002", 1, 1),
    ("depth in flow", b"a: " + b"[" * 10_000, "ES012", 1, 51),
    ("depth in blocks", b"- " * 10_000, "ES012", 1, 97),
    ("number as key", b"x-a: {1: b}\n", "ES011", 1, 7),
    ("mapping as key", b"? {a: b}\n: 1\n", "ES011", 1, 3),
    ("second document", b"version: 1\n---\nversion: 1\n", "ES008", 2, 1),
    ("YAML 1.1", b"%YAML 1.1\n---\nversion: 1\n", "ES005", 2, 1),
    ("open bracket", b"a: [1\nb: 2\n", "ES005", 2, 2),
    ("many values", b"a: [" + b"1," * 500_000 + b"]", "ES013", 1, 40003),
]


@pytest.mark.parametrize(("data", "code", "line", "column"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_refused_at_its_place_within_a_second(data: bytes, code: str, line: int, column: int) -> None:
    started = time.process_time()
    problems = check_text(data, "bad.yaml", {}).problems
    assert time.process_time() - started < 1
    assert (code, line, column) in {(p.code.id, p.place.line, p.place.column) for p in problems}


def test_an_alias_bomb_costs_no_memory() -> None:
    tracemalloc.start()
    check_text(BOMB.encode(), "bad.yaml", {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20


def test_the_size_limit_is_on_bytes() -> None:
    fits = b"x-a: " + b"y" * (MAX_BYTES - 5)
    assert "ES002" not in {p.code.id for p in check_text(fits, environment={}).problems}
    assert "ES002" in {p.code.id for p in check_text(fits + b"y", environment={}).problems}


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = "[no, on, 012, 0o17, 0x1F, 1e3, 12:30:45, 2026-01-01, 1_000, ~, '1', .5, true, -7]"
    assert parse(text, "f")[0].plain() == [
        "no", "on", 12, 15, 31, 1000.0, "12:30:45", "2026-01-01", "1_000", None, "1", 0.5, True, -7,
    ]  # fmt: skip


def test_a_merged_value_stands_where_it_is_written() -> None:
    root, faults = parse("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n", "f")
    merged = root.get("y")
    assert merged is not None
    assert not faults
    assert merged.plain() == {"a": 1, "b": 3}
    assert (merged.key_place("a").line, merged.key_place("b").line) == (1, 4)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: one X", 1, 8),
        ("a: 'it''s X'", 1, 11),
        ('a: "\\n\\u0041 X"', 1, 14),
        ("a: &anchor one X", 1, 16),
        ("a: |\n   one\n   two X\n", 3, 8),
        ("a: >-\n  one\n  two X\n", 3, 7),
        ("a: one\n  two X\n", 2, 7),
    ],
)
def test_a_character_is_found_in_every_style(text: str, line: int, column: int) -> None:
    node = parse(text, "f")[0].get("a")
    assert node is not None
    assert node.text is not None
    place = node.place_at(node.text.index("X"))
    assert (place.line, place.column) == (line, column)

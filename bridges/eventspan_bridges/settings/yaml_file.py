"""YAML 1.2 text to plain nodes with positions, within limits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from eventspan_bridges.settings import Place

MAX_BYTES = 2**20
MAX_DEPTH = 48
MAX_NODES = 20_000
"""Nodes of a document, every alias counted as what it stands for."""

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,40}").fullmatch
_RADIX = re.compile(r"0o([0-7]{1,40})|0x([0-9a-fA-F]{1,40})").fullmatch
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,5})?").fullmatch
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)").fullmatch
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_PROPERTY = re.compile(r"(?:[&!]\S*\s+)+")


class Fault(Exception):
    """What keeps a document from being read at all."""

    def __init__(self, code: str, place: Place, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.place, self.help = code, place, help


@dataclass(slots=True, eq=False)
class Node:
    """A value and where it is written. What an alias stands for is one node in several places."""

    value: Any
    """A scalar, a list of nodes, or a dict of nodes by key."""
    place: Place
    keys: dict[str, Place] = field(default_factory=dict)
    """Where the keys of a mapping are written."""
    raw: str = ""
    """A scalar as it is written, quotes included."""
    size: int = 1
    depth: int = 1
    referenced: bool = False
    """The text came, in part, from outside of the file."""
    unresolved: bool = False
    """A reference in the text has no value, which is a finding already."""

    @property
    def text(self) -> str | None:
        return self.value if isinstance(self.value, str) else None

    def get(self, key: str) -> Node | None:
        found = self.value.get(key) if isinstance(self.value, dict) else None
        return found if isinstance(found, Node) else None

    def key_place(self, key: str) -> Place:
        return self.keys.get(key, self.place)

    def plain(self) -> Any:
        """The value without positions; numbers JSON has no word for become their text."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        if isinstance(self.value, float) and not math.isfinite(self.value):
            return self.raw
        return self.value

    def place_at(self, offset: int) -> Place:
        """Where the character of a scalar stands, whatever its quotes, escapes and folds."""
        index = _aligned(self.raw, self.text or "", offset)
        before = _BREAK.split(self.raw[:index])
        column = len(before[-1]) + (self.place.column if len(before) == 1 else 1)
        return Place(self.place.file, self.place.line + len(before) - 1, column)


def scalar(text: str) -> Any:
    """What an unquoted text means in the core schema of YAML 1.2."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT(text):
        return int(text)
    if radix := _RADIX(text):
        return int(radix[1], 8) if radix[1] else int(radix[2], 16)
    if _FLOAT(text):
        return float(text)
    return float(text.replace(".", "", 1)) if _SPECIAL(text) else text


def lines_of(text: str) -> list[str]:
    """The lines of a text, as YAML counts them."""
    return _BREAK.split(text)


def decode(data: bytes, file: str) -> str:
    """UTF-8 without control characters; raises ``Fault``."""
    start = Place(file, 1, 1)
    if len(data) > MAX_BYTES:
        raise Fault(
            "ES002", start, f"the file is larger than {MAX_BYTES // 2**20} MiB", "split it into several files"
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        raise Fault("ES003", start, "the file is UTF-16 or UTF-32", "save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _end_of(data[: error.start].decode("utf-8", "replace"), file)
        raise Fault("ES003", place, "the file is not UTF-8", "save it as UTF-8") from None
    if found := _CONTROL.search(text):
        place = _end_of(text[: found.start()], file)
        raise Fault("ES004", place, f"character U+{ord(found[0]):04X} does not belong into a text file")
    return text


def parse(text: str, file: str) -> tuple[Node, list[Fault]]:
    """The one document of a text and what is wrong in it; raises ``Fault`` where reading ends."""
    reader = _Reader(text, file)
    try:
        root = reader.document()
    except MarkedYAMLError as error:
        raise _syntax(error, file) from None
    except (YAMLError, ValueError) as error:
        raise Fault("ES005", Place(file, 1, 1), f"not YAML: {type(error).__name__}") from None
    if root is None or (root.value is None and not root.raw):
        raise Fault(
            "ES007", Place(file, 1, 1), "the file holds no bridge", "start with `version: 1` and `bridges:`"
        )
    return root, reader.faults


class _Reader:
    """Builds nodes from parser events, so that every limit bites before memory is spent."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file
        self._events: Iterator[Any] = YAML(typ="safe", pure=True).parse(text)
        self._anchors: dict[str, Node | None] = {}
        self.faults: list[Fault] = []
        """What is wrong without being in the way of the rest."""

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise Fault(
                        "ES008", self._place(event), "a second document", "put it into a file of its own"
                    )
                if event.version not in (None, (1, 2)):
                    raise Fault("ES005", self._place(event), "this file is read as YAML 1.2")
                root = self._node(next(self._events), 1)
        return root

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1)

    def _node(self, event: Any, level: int) -> Node:
        place = self._place(event)
        if isinstance(event, AliasEvent):
            return self._alias(event.anchor, place)
        if event.ctag is not None:
            raise Fault(
                "ES009",
                place,
                f"the tag {str(event.tag)[:60]!r} is not accepted",
                "remove it: values say their own type",
            )
        if level > MAX_DEPTH:
            raise Fault("ES012", place, f"nested deeper than {MAX_DEPTH} levels")
        if event.anchor:
            self._anchors[event.anchor] = None
        node = self._built(event, place, level)
        if node.size > MAX_NODES:
            raise Fault("ES013", place, f"more than {MAX_NODES} values once aliases are followed")
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _built(self, event: Any, place: Place, level: int) -> Node:
        if isinstance(event, ScalarEvent):
            return self._scalar(event, place)
        node = Node({} if isinstance(event, MappingStartEvent) else [], place)
        if isinstance(event, SequenceStartEvent):
            self._fill_list(node, level)
        else:
            self._fill_dict(node, level)
        return node

    def _alias(self, name: str, place: Place) -> Node:
        if name not in self._anchors:
            raise Fault("ES015", place, f"no anchor called {name[:40]!r} stands before this")
        found = self._anchors[name]
        if found is None:
            raise Fault("ES014", place, f"the anchor {name[:40]!r} holds itself")
        return found

    def _scalar(self, event: Any, place: Place) -> Node:
        raw = self._text[event.start_mark.index : event.end_mark.index]
        if event.anchor and (found := _PROPERTY.match(raw)):
            before = _BREAK.split(raw[: found.end()])
            column = len(before[-1]) + (place.column if len(before) == 1 else 1)
            place, raw = Place(place.file, place.line + len(before) - 1, column), raw[found.end() :]
        value = scalar(event.value) if event.style in (None, "") else event.value
        return Node(value, place, raw=raw)

    def _add(self, parent: Node, child: Node, level: int) -> None:
        parent.size += child.size
        parent.depth = max(parent.depth, child.depth + 1)
        if parent.size > MAX_NODES:
            raise Fault("ES013", child.place, f"more than {MAX_NODES} values once aliases are followed")
        if parent.depth + level - 1 > MAX_DEPTH:
            raise Fault("ES012", child.place, f"nested deeper than {MAX_DEPTH} levels")

    def _fill_list(self, node: Node, level: int) -> None:
        while not isinstance(event := next(self._events), SequenceEndEvent):
            child = self._node(event, level + 1)
            self._add(node, child, level)
            node.value.append(child)

    def _fill_dict(self, node: Node, level: int) -> None:
        merged: list[Node] = []
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._node(event, level + 1)
            child = self._node(next(self._events), level + 1)
            self._add(node, child, level)
            if child.value is None and not child.raw:
                # What is not there stands where it would be expected: at its key.
                child.place = key.place
            if key.value == "<<" and key.raw == "<<":
                merged += _mergeable(child)
                continue
            name = _key(key)
            if name in node.value:
                first = node.keys[name]
                raise Fault(
                    "ES010",
                    key.place,
                    f"the key {name[:60]!r} stands here twice",
                    f"first in line {first.line}",
                )
            node.value[name], node.keys[name] = child, key.place
        for other in merged:
            for name, child in other.value.items():
                if node.value.setdefault(name, child) is child:
                    node.keys.setdefault(name, other.keys[name])


def _key(node: Node) -> str:
    if isinstance(node.value, str):
        return node.value
    shown = node.raw[:40] or "this"
    raise Fault("ES011", node.place, f"a key must be text, and {shown} is none", "write it in quotes")


def _mergeable(node: Node) -> list[Node]:
    found = node.value if isinstance(node.value, list) else [node]
    for item in found:
        if not isinstance(item.value, dict):
            raise Fault("ES016", item.place, "`<<` needs a mapping, or a list of mappings")
    return list(found)


def _end_of(text: str, file: str) -> Place:
    lines = _BREAK.split(text)
    return Place(file, len(lines), len(lines[-1]) + 1)


def _syntax(error: MarkedYAMLError, file: str) -> Fault:
    # An unfinished quotation is reported where it begins: what follows may be anything, a secret too.
    in_scalar = "scalar" in (error.context or "") and error.context_mark is not None
    mark = error.context_mark if in_scalar else error.problem_mark or error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
    problem = (error.problem or "cannot be read").strip()
    if "'\\t'" in problem:
        return Fault("ES006", place, "a tab stands where YAML wants spaces", "indent with spaces")
    return Fault("ES005", place, f"not YAML: {problem}{f', {error.context}' if error.context else ''}")


def _aligned(raw: str, text: str, offset: int) -> int:
    """The index in ``raw`` of a character of ``text``: both are walked side by side."""
    at = _BREAK.search(raw).end() if raw[:1] in ("|", ">") and _BREAK.search(raw) else raw[:1] in ("'", '"')  # type: ignore[union-attr] # searched just before
    at = int(at)
    for char in text[:offset]:
        at = _aligned_step(raw, at, char)
    while at < len(raw) and offset < len(text) and raw[at] != text[offset] and raw[at].isspace():
        at += 1
    return min(at, len(raw))


def _aligned_step(raw: str, at: int, char: str) -> int:
    while at < len(raw) and raw[at] != char and raw[at].isspace() and not char.isspace():
        at += 1
    if at >= len(raw):
        return at
    if raw[at] == "\\" and raw[0] == '"':
        return at + {"x": 4, "u": 6, "U": 10}.get(raw[at + 1 : at + 2], 2)
    if raw[at] == "'" == raw[0]:
        return at + 2
    if char.isspace() and raw[at] in "\r\n":
        return at + len(raw[at:]) - len(raw[at:].lstrip())
    return at + 1

"""References in the strings of a bridge file: ``${NAME}``, ``${file:/path}``, ``${secret:name}``."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from eventspan_bridges.settings.problems import Findings, url_passwords
from eventspan_bridges.settings.yaml_file import Node

MAX_FILE = 64 * 2**10
SECRETS_FOLDER = "EVENTSPAN_SECRETS"

_ESCAPED_OR_OPEN = re.compile(r"\$\$\{|\$\{")
_VARIABLE = re.compile(r"(?:env:)?([A-Za-z_][A-Za-z0-9_]{0,127})(?::-(.*))?", re.DOTALL).fullmatch
_FILE = re.compile(r"file:(/[^\x00-\x1f]{0,1000})").fullmatch
_SECRET = re.compile(r"secret:([A-Za-z0-9_][A-Za-z0-9._-]{0,127})").fullmatch
_CODE = ("type", "use")
"""Keys whose value chooses code: no reference may stand there."""
_VERBATIM = ("steps", "route", "order_by", "tests")
"""Keys that hold expressions. A reference in them would be text read as code."""


class Unresolved(Exception):
    """A reference without a value."""

    def __init__(self, code: str, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.help = code, help


class References:
    """Puts values in place of references, once each, and never looks at a value again."""

    def __init__(self, environment: Mapping[str, str], findings: Findings) -> None:
        self._environment, self._findings = environment, findings
        self._done: dict[tuple[int, bool], tuple[Node, Node]] = {}

    def resolve(self, node: Node, *, verbatim: bool = False, top: bool = False) -> Node:
        """The same tree, resolved. A node that several aliases share is resolved once."""
        known = self._done.get((id(node), verbatim))
        if known is None:
            # The original is kept beside its result, so that its id stays taken.
            known = self._done[id(node), verbatim] = (node, self._resolved(node, verbatim, top))
        return known[1]

    def _resolved(self, node: Node, verbatim: bool, top: bool) -> Node:
        if isinstance(node.value, list):
            return replace(node, value=[self.resolve(child, verbatim=verbatim) for child in node.value])
        if isinstance(node.value, dict):
            for key, place in node.keys.items():
                if _references(key):
                    self._findings.add("ES203", place, "a key holds no reference")
            return replace(node, value={k: self._member(k, v, verbatim, top) for k, v in node.value.items()})
        if not isinstance(node.value, str) or "${" not in node.value:
            return self._noted(node)
        return self._refused(node) if verbatim else self._noted(self._filled(node))

    def _member(self, key: str, node: Node, verbatim: bool, top: bool) -> Node:
        if top and key.startswith("x-"):
            return node
        return self.resolve(node, verbatim=verbatim or key in _CODE or key in _VERBATIM)

    def _noted(self, node: Node) -> Node:
        if isinstance(node.value, str):
            for password in url_passwords(node.value):
                self._findings.hide(password)
        return node

    def _refused(self, node: Node) -> Node:
        if _references(node.value):
            self._findings.add(
                "ES203", node.place_at(node.value.find("${")), "no reference may stand here",
                "code, types and expressions are written out; $${ stands for ${",
            )  # fmt: skip
        return replace(node, value=node.value.replace("$${", "${"))

    def _filled(self, node: Node) -> Node:
        text, at = node.value, 0
        values: list[str] = []
        referenced = unresolved = False
        while found := _ESCAPED_OR_OPEN.search(text, at):
            values.append(text[at : found.start()])
            if found[0] == "$${":
                values.append("${")
                at = found.end()
                continue
            end = text.find("}", found.end())
            at = len(text) if end < 0 else end + 1
            value = self._found(text[found.end() : end] if end >= 0 else None, node, found.start())
            referenced, unresolved = True, unresolved or value is None
            values.append(value or "")
        return replace(node, value="".join(values) + text[at:], referenced=referenced, unresolved=unresolved)

    def _found(self, reference: str | None, node: Node, offset: int) -> str | None:
        """The value of a reference, or None after a finding."""
        try:
            value, hidden = self._value(reference)
        except Unresolved as error:
            self._findings.add(error.code, node.place_at(offset), str(error), error.help)
            return None
        if hidden:
            self._findings.hide(value)
        if "{{" in value:
            self._findings.add("ES203", node.place_at(offset), "the value of a reference holds `{{`")
            return None
        return value

    def _value(self, reference: str | None) -> tuple[str, bool]:
        """The value, and whether it is secret."""
        if reference is None:
            raise Unresolved("ES202", "`${` without `}`", "write $${ for the characters themselves")
        if found := _FILE(reference):
            return read_file(found[1]), True
        if found := _SECRET(reference):
            folder = self._environment.get(SECRETS_FOLDER) or "/run/secrets"
            return read_file(f"{folder}/{found[1]}"), True
        if found := _VARIABLE(reference):
            return self._variable(found[1], found[2]), False
        raise Unresolved(
            "ES202", "a reference is ${NAME}, ${NAME:-default}, ${env:NAME}, ${file:/path} or ${secret:name}",
            "write $${ for the characters themselves",
        )  # fmt: skip

    def _variable(self, name: str, default: str | None) -> str:
        value = self._environment.get(name)
        if default is not None:
            return value or default
        if value is None:
            raise Unresolved(
                "ES201", f"the environment has no {name}", f"export {name}=... or write ${{{name}:-default}}"
            )
        return value


def _references(text: str) -> bool:
    return "${" in text.replace("$${", "")


def read_file(path: str) -> str:
    """The text of a small regular file, without its last line break; raises ``Unresolved``."""
    if ".." in PurePosixPath(path).parts:
        raise Unresolved("ES201", "a path in a reference may not hold '..'")
    if os.path.realpath(path).startswith(("/proc/", "/sys/", "/dev/")):
        raise Unresolved("ES201", f"{path[:200]!r} is no file for secrets")
    try:
        return _text(_content(path), path)
    except OSError as error:
        raise Unresolved("ES201", f"cannot read {path[:200]!r}: {error.strerror}") from None


def _content(path: str) -> bytes:
    # Without O_NONBLOCK a named pipe would be waited for before anything can be asked of it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Unresolved("ES201", f"{path[:200]!r} is not a regular file")
        return file.read(MAX_FILE + 1)


def _text(data: bytes, path: str) -> str:
    if len(data) > MAX_FILE:
        raise Unresolved("ES201", f"{path[:200]!r} is larger than {MAX_FILE // 1024} KiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Unresolved("ES201", f"{path[:200]!r} is not UTF-8") from None
    if "\0" in text:
        raise Unresolved("ES201", f"{path[:200]!r} holds a NUL")
    return text.removesuffix("\n").removesuffix("\r")

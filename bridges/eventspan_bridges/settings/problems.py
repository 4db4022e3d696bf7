"""What is wrong in a bridge file: stable codes, places, and how a finding is shown."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from eventspan.errors import ConfigError
from eventspan.secret import HIDDEN
from eventspan_bridges.settings import Place


class Code(NamedTuple):
    """One kind of finding."""

    id: str
    name: str
    meaning: str
    level: Literal["error", "warning"] = "error"


_TABLE = (
    Code("ES001", "unreadable", "The file cannot be read."),
    Code("ES002", "too-large", "The file is larger than a bridge file may be."),
    Code("ES003", "encoding", "The file is not UTF-8."),
    Code("ES004", "control-character", "The file holds a character that text does not have."),
    Code("ES005", "syntax", "The file is not YAML 1.2."),
    Code("ES006", "tab", "A tab stands where YAML wants spaces."),
    Code("ES007", "empty", "The file holds no document."),
    Code("ES008", "several-documents", "The file holds more than one document."),
    Code("ES009", "tag", "Tags are not accepted."),
    Code("ES010", "duplicate-key", "A mapping has the same key twice."),
    Code("ES011", "key-not-text", "A key is not text."),
    Code("ES012", "too-deep", "Collections are nested too deeply."),
    Code("ES013", "too-many-nodes", "The document is too large once its aliases are followed."),
    Code("ES014", "self-reference", "An anchor holds itself."),
    Code("ES015", "unknown-anchor", "An alias names no anchor."),
    Code("ES016", "merge", "Only mappings can be merged."),
    Code("ES101", "unknown-key", "A key that means nothing here."),
    Code("ES102", "missing-key", "A key that has to be there."),
    Code("ES103", "wrong-type", "A value of the wrong type."),
    Code("ES104", "bad-value", "A value outside of what is accepted."),
    Code("ES105", "unquoted", "Text that YAML reads as something else."),
    Code("ES106", "bad-name", "A name that cannot be used."),
    Code("ES107", "conflicting-keys", "Keys that exclude each other."),
    Code("ES201", "unresolved-reference", "A reference to something that is not there."),
    Code("ES202", "bad-reference", "A reference that is not written as one."),
    Code("ES203", "reference-refused", "A reference where none may stand."),
    Code("ES301", "unknown-connector", "No installed connector has this name."),
    Code("ES302", "unusable-connector", "The connector cannot be loaded."),
    Code("ES303", "wrong-side", "The connector has no such side."),
    Code("ES304", "unknown-connection", "No connection has this name."),
    Code("ES401", "expression", "An expression, template or step that does not compile."),
    Code("ES501", "duplicate-bridge", "Two bridges have the same name."),
    Code("ES502", "guarantee", "The pair cannot give this guarantee."),
    Code("ES503", "unknown-sink", "No sink of the bridge has this name."),
    Code("ES504", "unreached-sink", "No route leads to the sink.", "warning"),
    Code("ES505", "no-otherwise", "Events that match no route are filtered.", "warning"),
    Code("ES506", "unreachable-route", "A route behind `otherwise` is never looked at."),
    Code("ES507", "dead-letter-loop", "Dead letters go where the source reads."),
    Code("ES508", "loop", "A sink writes what its own source reads."),
    Code("ES509", "cycle", "Bridges lead back to one another."),
    Code("ES510", "shared-consumer", "Two bridges take events away from each other."),
    Code("ES511", "window-capped", "More is allowed in flight than the source leaves pending.", "warning"),
    Code("ES512", "possible-cycle", "Bridges may lead back to one another.", "warning"),
)
CODES = {code.id: code for code in _TABLE}

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_USERINFO = re.compile(r"(?<=://)([^/\s:@]{0,256}):(\S{1,512})@")
_SENSITIVE = re.compile(
    r"""(?ix) (["']?[\w.-]{0,40} (?:pass|pwd|secret|token|api_?key|private_?key|credential|authorization)
    [\w.-]{0,40}["']? \s{0,20}:\s{1,20})
    (?! \$\{[^}:]*\} | \$\{(?:env|file|secret):[^}:]*\} )
    ( "[^"]*"? | '[^']*'? | [^\s,}{\#][^,}\#]* )"""
)
_LONGEST_SOURCE = 1000
"""Columns beyond which a line is not worth showing."""
_LONGEST_LINE = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding, ready to be shown: nothing in it is secret or moves a terminal."""

    code: Code
    place: Place
    message: str
    help: str | None = None
    line: str = ""
    """The source line, masked; empty where there is none."""
    caret: int = 0
    """Column in ``line``, from 0."""

    def render(self) -> str:
        """The finding as people read it, several lines."""
        head = f"{self.place}: {self.code.level}[{self.code.id} {self.code.name}]: {self.message}"
        gutter = " " * len(str(self.place.line))
        parts = [head]
        if self.line:
            parts += [f" {self.place.line} | {self.line}", f" {gutter} | {' ' * self.caret}^"]
        if self.help:
            parts.append(f" {gutter} = help: {self.help}")
        return "\n".join(parts)


class BridgeFileError(ConfigError):
    """A bridge file is wrong. ``problems`` holds every fault of every file, in order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n\n".join(problem.render() for problem in problems))
        self.problems = tuple(problems)


class _Raw(NamedTuple):
    place: Place
    code: str
    message: str
    help: str | None


class Findings:
    """Collects findings over several files; decides at the end what may be shown."""

    def __init__(self) -> None:
        self._raw: list[_Raw] = []
        self._lines: dict[str, Sequence[str]] = {}
        self._secrets: set[str] = set()

    def add(self, code: str, place: Place, message: str, help: str | None = None) -> None:
        """Record a finding. The text may hold secrets that ``hide`` knows by the end."""
        self._raw.append(_Raw(place, code, message, help))

    def hide(self, text: str) -> None:
        """Never show this text. One of a character or two is not worth garbling every message."""
        self._secrets.update(part for part in (text, *text.splitlines()) if len(part) > 2)

    def source(self, file: str, lines: Sequence[str]) -> None:
        """Keep the lines of a file, to be shown beside its findings."""
        self._lines[file] = lines

    def finish(self) -> tuple[Problem, ...]:
        """Every finding once, by file and position, masked and escaped."""
        return tuple(
            self._problem(raw) for raw in sorted(set(self._raw), key=lambda raw: (*raw[:3], raw.help or ""))
        )

    def _problem(self, raw: _Raw) -> Problem:
        place = raw.place
        lines = self._lines.get(place.file, ())
        line, caret = "", 0
        if 1 <= place.line <= len(lines) and len(lines[place.line - 1]) <= _LONGEST_SOURCE:
            line, caret = self._shown(lines[place.line - 1], place.column - 1)
        place = Place(visible(place.file).replace("\n", "\\n"), place.line, place.column)
        safe_help = None if raw.help is None else self._safe(raw.help)
        return Problem(CODES[raw.code], place, self._safe(raw.message), safe_help, line, caret)

    def _safe(self, text: str) -> str:
        return visible(masked(text, self._secrets))

    def _shown(self, line: str, column: int) -> tuple[str, int]:
        """The line and the caret in it, when what stands before the caret may change its width."""
        whole = visible(_SENSITIVE.sub(rf"\g<1>{HIDDEN}", masked(line, self._secrets)))
        before = visible(_SENSITIVE.sub(rf"\g<1>{HIDDEN}", masked(line[:column], self._secrets)))
        caret = min(len(before), len(whole))
        start = max(0, caret - _LONGEST_LINE // 2) if len(whole) > _LONGEST_LINE else 0
        return whole[start : start + _LONGEST_LINE], caret - start


def masked(text: str, secrets: Collection[str] = ()) -> str:
    """The text without these secrets, and without the password of any URL."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _USERINFO.sub(rf"\1:{HIDDEN}@", text)


def visible(text: str) -> str:
    """The text with what would move a cursor or turn its direction written as escapes."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


def url_passwords(text: str) -> Iterable[str]:
    """The passwords in the URLs of a text."""
    return (match[2] for match in _USERINFO.finditer(text))

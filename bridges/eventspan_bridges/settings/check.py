"""Reads bridge files as one set: every fault of every file, or the bridges they hold."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eventspan_bridges.settings import BridgeSettings, Place, bridge_file, lint
from eventspan_bridges.settings.problems import BridgeFileError, Findings, Problem
from eventspan_bridges.settings.references import References
from eventspan_bridges.settings.yaml_file import MAX_BYTES, Fault, decode, lines_of, parse


@dataclass(frozen=True)
class Checked:
    """What a set of files holds, and what there is to say about it."""

    bridges: tuple[BridgeSettings, ...]
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.code.level == "error")

    def accepted(self) -> list[BridgeSettings]:
        """The bridges; raises ``BridgeFileError`` when there is any error."""
        if self.errors:
            raise BridgeFileError(self.problems)
        return list(self.bridges)


def check(paths: Sequence[Path], environment: Mapping[str, str] = os.environ) -> Checked:
    """Read files, and the ``*.yaml`` and ``*.yml`` of folders, as one set. Raises nothing."""
    findings = Findings()
    contents = []
    for path in _files(paths, findings):
        try:
            contents.append((str(path), _content(path)))
        except Fault as fault:
            findings.add(fault.code, fault.place, str(fault), fault.help)
    return _checked(contents, environment, findings)


def check_text(data: bytes, name: str = "-", environment: Mapping[str, str] = os.environ) -> Checked:
    """Read one file that is in memory already."""
    return _checked([(name, data)], environment, Findings())


def _checked(
    contents: Iterable[tuple[str, bytes]], environment: Mapping[str, str], findings: Findings
) -> Checked:
    bridges: list[BridgeSettings] = []
    for name, data in contents:
        try:
            bridges += _bridges(data, name, environment, findings)
        except Fault as fault:
            findings.add(fault.code, fault.place, str(fault), fault.help)
    return Checked(lint.across(bridges, findings), findings.finish())


def _bridges(
    data: bytes, name: str, environment: Mapping[str, str], findings: Findings
) -> list[BridgeSettings]:
    text = decode(data, name)
    findings.source(name, lines_of(text))
    root, faults = parse(text, name)
    for fault in faults:
        findings.add(fault.code, fault.place, str(fault), fault.help)
    return bridge_file.bridges(References(environment, findings).resolve(root, top=True), findings)


def _files(paths: Sequence[Path], findings: Findings) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        # Unlike Path.is_dir it takes a path the system refuses for what it is: no folder.
        folder = os.path.isdir(path)
        inside = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if folder else [path]
        if not inside:
            findings.add("ES001", Place(str(path), 1, 1), "the folder holds no *.yaml file")
        found += inside
    return list(dict.fromkeys(found))


def _content(path: Path) -> bytes:
    start = Place(str(path), 1, 1)
    try:
        # Without O_NONBLOCK a named pipe would be waited for before anything can be asked of it.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Fault("ES001", start, f"cannot read it: {error.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Fault("ES001", start, "not a regular file")
        return file.read(MAX_BYTES + 1)

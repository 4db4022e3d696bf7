"""The bridge files a command is given: read, chosen from, and read again."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eventspan.errors import ConfigError, summary

if TYPE_CHECKING:
    from eventspan_bridges.settings import BridgeSettings
    from eventspan_bridges.settings.check import Checked

STANDARD_INPUT = Path("-")
_FRESH_SECS = 1.0

log = logging.getLogger("eventspan")


class BridgeFiles:
    """Files and folders, or standard input as ``-``, with the variables they refer to."""

    def __init__(self, paths: Sequence[Path], env_file: Path | None = None) -> None:
        self._paths = paths
        self._env_file = env_file
        self._text = _standard_input(paths) if STANDARD_INPUT in paths else None

    def check(self) -> Checked:
        """Read everything; raises nothing about what is in the files."""
        from eventspan_bridges.settings.check import check, check_text

        environment = {**_variables(self._env_file), **os.environ}
        if self._text is not None:
            return check_text(self._text, "<stdin>", environment)
        return check(self._paths, environment)

    def load(self, names: Sequence[str] = ()) -> list[BridgeSettings]:
        """The bridges of these names, or all; raises ``BridgeFileError`` or ``ConfigError``."""
        found = {bridge.name: bridge for bridge in self.check().accepted()}
        for name in names:
            if name not in found:
                raise ConfigError(
                    f"no bridge is called {name!r}", help="there are: " + ", ".join(sorted(found))
                )
        return [bridge for bridge in found.values() if not names or bridge.name in names]


class Reread:
    """The settings of a bridge as its file has them now, or as they were while it is broken."""

    def __init__(self, files: BridgeFiles, settings: Sequence[BridgeSettings]) -> None:
        self._files = files
        self._newest = {bridge.name: bridge for bridge in settings}
        self._read = time.monotonic()

    @property
    def names(self) -> list[str]:
        """The bridges this is about."""
        return list(self._newest)

    def __call__(self, name: str) -> BridgeSettings:
        # The ends of a bridge are built one after the other: one reading serves them all.
        if time.monotonic() - self._read > _FRESH_SECS:
            self._again(name)
            self._read = time.monotonic()
        return self._newest[name]

    def forget(self) -> None:
        """Whatever asks next wants the file as it is from now on."""
        self._read = float("-inf")

    def _again(self, name: str) -> None:
        try:
            found = self._files.load()
        except (ConfigError, OSError) as error:
            fields = {"bridge": name, "error": summary(error)}
            log.warning("file is wrong now; its last good settings stay", extra={"fields": fields})
            return
        self._newest.update({bridge.name: bridge for bridge in found if bridge.name in self._newest})


def _standard_input(paths: Sequence[Path]) -> bytes:
    from eventspan_bridges.settings.yaml_file import MAX_BYTES

    if len(paths) > 1:
        raise ConfigError("standard input is read alone", help="give either - or files")
    if sys.stdin is None or sys.stdin.closed:
        raise ConfigError("standard input is closed", help="give a file")
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read standard input: {error.strerror}") from None


def _variables(path: Path | None) -> Mapping[str, str]:
    """The variables of an environment file: ``NAME=value`` lines, ``#`` before what is none."""
    if path is None:
        return {}
    found = {}
    for number, line in enumerate(_lines(path), 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ConfigError(f"{path}:{number}: no NAME=value")
        found[name.strip()] = _unquoted(value.strip())
    return found


def _lines(path: Path) -> list[str]:
    from eventspan_bridges.settings.yaml_file import MAX_BYTES

    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES // 2**20} MiB")
    return text.splitlines()


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value

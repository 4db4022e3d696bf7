"""Which files a bridge was run from last, so that commands can be told its name alone."""

import json
from collections.abc import Sequence
from pathlib import Path

from eventspan.errors import ConfigError
from eventspan_bridges.cli.files import STANDARD_INPUT
from eventspan_bridges.settings import BridgeSettings
from eventspan_bridges.settings.bridge_file import NAME


def remember(folder: Path, paths: Sequence[Path], settings: Sequence[BridgeSettings]) -> None:
    """Note the files of bridges that are about to run."""
    if STANDARD_INPUT in paths:
        return
    try:
        _folder(folder).mkdir(parents=True, exist_ok=True)
        for bridge in settings:
            text = json.dumps([str(path.absolute()) for path in paths])
            (_folder(folder) / f"{bridge.name}.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write to the state folder {folder}: {error.strerror}") from None


def paths_of(folder: Path, target: str) -> tuple[Sequence[Path], Sequence[str]]:
    """Files and names of bridges that a file, or the name of a bridge that has run, stands for."""
    if not NAME.fullmatch(target) or Path(target).exists():
        return [Path(target)], []
    try:
        found = json.loads((_folder(folder) / f"{target}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(
            f"{target!r} is no file, and no bridge of this name has run with this state folder",
            help="give the bridge file, or the state folder with --state",
        ) from None
    return [Path(path) for path in found], [target]


def _folder(folder: Path) -> Path:
    return folder / "bridges"

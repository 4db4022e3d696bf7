"""The state folder: where positions, leases and the data of connectors are kept."""

import os
from pathlib import Path

from eventspan.errors import ConfigError
from eventspan.state_sqlite import SqliteStore


def folder(given: Path | None) -> Path:
    """The folder asked for, or the one this system keeps state in."""
    if given is not None:
        return given
    base = os.environ.get("XDG_STATE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "eventspan"
    try:
        return Path.home() / ".local" / "state" / "eventspan"
    except RuntimeError:
        raise ConfigError(
            "there is no home folder to keep positions in", help="say where: --state DIR"
        ) from None


def store(folder: Path) -> SqliteStore:
    """Positions and leases; raises what ``SqliteStore`` does."""
    return SqliteStore(folder)


def data(folder: Path) -> Path:
    """What connectors keep beside their positions."""
    return folder / "data"

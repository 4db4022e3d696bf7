"""What a check can say about files without touching them."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from eventspan.endpoint import Finding, Level
from eventspan_connectors.file.config import STANDARD, SinkSettings, SourceSettings


def read(settings: SourceSettings) -> Sequence[Finding]:
    """Whether each file is there and may be read."""
    return [_read(path) for path in settings.path]


def _read(path: Path) -> Finding:
    if path == STANDARD:
        return Finding("standard input", Level.OK, "is read to its end; it has no position to go on from")
    return _plain(path, os.R_OK) or Finding(f"file {path}", Level.OK, "is there and may be read")


def written(settings: SinkSettings) -> Sequence[Finding]:
    """Whether the file may be appended to, or created."""
    path = settings.path
    if path == STANDARD:
        return [Finding("standard output", Level.OK, "what is written to it is not kept by anybody")]
    if os.path.lexists(path):
        return [_plain(path, os.W_OK) or Finding(f"file {path}", Level.OK, "is there and may be appended to")]
    if os.access(path.parent, os.W_OK | os.X_OK):
        return [Finding(f"file {path}", Level.OK, "is not there yet and will be created")]
    message = f"folder {path.parent} is not there or not ours to write"
    return [Finding(f"file {path}", Level.FAILED, message, "create the folder")]


def _plain(path: Path, access: int) -> Finding | None:
    """What stands in the way of using a file."""
    subject = f"file {path}"
    try:
        found = path.stat() if access == os.R_OK else path.lstat()
    except (OSError, ValueError) as error:
        return Finding(subject, Level.FAILED, str(getattr(error, "strerror", None) or error))
    if not stat.S_ISREG(found.st_mode):
        return Finding(subject, Level.FAILED, "is no regular file")
    return None if os.access(path, access) else Finding(subject, Level.FAILED, "permission denied")

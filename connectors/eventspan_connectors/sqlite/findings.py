"""What a check can say about a log without touching it."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from eventspan.endpoint import Finding, Level
from eventspan.errors import EventspanError
from eventspan.sqlite_file import check_format, refuse_special
from eventspan_connectors.sqlite.config import DatabaseSettings
from eventspan_connectors.sqlite.database import FORMAT
from eventspan_connectors.sqlite.errors import translated


def findings(settings: DatabaseSettings) -> Sequence[Finding]:
    """Whether the file is there, a log, and writable; or could be created."""
    path, subject = settings.path, f"file {settings.path}"
    try:
        with translated(path):
            if not _is_there(path):
                return [_absent(settings)]
            refuse_special(path, FORMAT)
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                check_format(db, path, FORMAT)
    except EventspanError as error:
        return [Finding(subject, Level.FAILED, str(error), error.help)]
    if not os.access(path, os.W_OK):
        return [Finding(subject, Level.FAILED, "it is there, but not ours to write")]
    return [Finding(subject, Level.OK, f"holds log {settings.log!r} or can")]


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _absent(settings: DatabaseSettings) -> Finding:
    folder = settings.path.parent
    if os.access(folder, os.W_OK | os.X_OK):
        return Finding(f"file {settings.path}", Level.OK, "is not there yet and will be created")
    message = f"folder {folder} is not there or not ours to write"
    return Finding(f"file {settings.path}", Level.FAILED, message, "create the folder")

"""What was downloaded once stays in the user's cache folder, keyed by version."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Folder of `name` under the user's cache; it is not created."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "eventspan-tests" / name


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold a lock beside `folder`, so that test runs at the same time fetch it once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

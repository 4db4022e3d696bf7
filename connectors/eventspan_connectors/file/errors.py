"""What errors of the file system mean for a bridge."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eventspan import ConfigError, EventspanError, Halted

_TABLE: dict[int, type[EventspanError]] = dict.fromkeys(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP,
     errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO), ConfigError
)  # fmt: skip
"""Everything else halts: a full or failing disk, a broken pipe, no descriptors left."""


def translate(error: OSError, path: Path) -> EventspanError:
    """The error of ours for one of the system's."""
    number = error.errno or errno.EIO
    where = "standard output" if str(path) == "-" else str(path)[:500]
    return _TABLE.get(number, Halted)(f"{where}: {os.strerror(number)}")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise errors of the system as ours."""
    try:
        yield
    except OSError as error:
        raise translate(error, path) from error
    except ValueError as error:
        raise ConfigError(f"{str(path)[:500]!r} is no path") from error

"""Where a file is read to, as text that another file at the same path does not match."""

import hashlib
import re
from typing import NamedTuple

from eventspan import PositionLost

SPAN = 256
"""So many bytes before the offset tell the file from another one."""
_TEXT = re.compile(r"1:(\d{1,18}):(\d{1,18}):([0-9a-f]{16})")


class Position(NamedTuple):
    """A place between two lines."""

    offset: int
    """In bytes, of the next line."""
    line: int
    """The number of the next line, from 1."""
    mark: str
    """Of the bytes before the offset."""

    def __str__(self) -> str:
        return f"1:{self.offset}:{self.line}:{self.mark}"


def mark(before: bytes) -> str:
    """What the bytes before an offset are recognised by."""
    return hashlib.blake2b(before[-SPAN:], digest_size=8).hexdigest()


START = Position(0, 1, mark(b""))


def parse(text: object, path: str) -> Position:
    """A stored position; raises ``PositionLost`` for text of another kind."""
    match = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise lost(path, f"{str(text)[:60]!r} is no position in a file")
    return Position(int(match[1]), int(match[2]), match[3])


def lost(path: str, why: str) -> PositionLost:
    """The position cannot be found in the file that is there now."""
    return PositionLost(
        f"{path}: {why}", help=f"eventspan offsets set BRIDGE '{path}=earliest', or put the former file back"
    )

"""Settings of the file connector."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from eventspan.settings import Count, Duration, Settings, Size

STANDARD = Path("-")
"""Standard input or output."""


def _one_or_more(value: Any) -> Any:
    if isinstance(value, str | Path):
        return (value,)
    # Strict validation, which bridge files get, takes no list for a tuple.
    return tuple(value) if isinstance(value, list) else value


def _distinct(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    if len(set(paths)) < len(paths):
        raise ValueError("names a file twice")
    if STANDARD in paths and len(paths) > 1:
        raise ValueError("standard input cannot be read beside files")
    return paths


Paths = Annotated[
    tuple[Path, ...],
    Field(min_length=1),
    BeforeValidator(_one_or_more, json_schema_input_type=Path | list[Path]),
    AfterValidator(_distinct),
]


class SourceSettings(Settings):
    """Reads files of one event per line, each from where it was read to last."""

    path: Paths
    """The file, or several; ``-`` is standard input. Each is a lane of its own."""
    follow: bool = False
    """Wait for more at the end, as ``tail -f`` does. Otherwise the source ends there."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a file without a position is begun."""
    batch: Count = 500
    """Events read at once."""
    max_line: Annotated[Size, Field(ge=1024, le=2**30)] = 64 * 2**20
    """A longer line stops the source; nothing behind it is read."""
    poll: Annotated[Duration, Field(ge=0.001, le=3600)] = 0.1
    """How long to wait at the end of a file before looking again."""

    @property
    def standard(self) -> bool:
        """Whether it reads standard input."""
        return self.path == (STANDARD,)

    @property
    def reads(self) -> tuple[str, ...]:
        """The files, so that a bridge that would never end is found before it runs."""
        return tuple(_address(path) for path in self.path if path != STANDARD)


class SinkSettings(Settings):
    """Appends one event per line."""

    path: Path
    """The file, created where it is missing; ``-`` is standard output."""
    record: bool = False
    """Write key, headers and timestamp beside each event. Dead letters are always written so."""

    @property
    def writes(self) -> tuple[str, ...]:
        """The file, as sources name it."""
        return () if self.path == STANDARD else (_address(self.path),)


def _address(path: Path) -> str:
    return f"file://local/{path.resolve()}"

"""Settings of the sqlite connector."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from eventspan.settings import Count, Duration, Settings, Size

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class DatabaseSettings(Settings):
    """Which log of which file."""

    path: Path
    """The database file. Created where it is missing; its folder has to exist."""
    log: Name = "events"
    """One of the logs the file holds."""
    busy: Annotated[Duration, Field(gt=0, le=3600)] = 10.0
    """How long to wait for another process that writes the same file."""

    @property
    def address(self) -> str:
        """The log, as both ends name it."""
        return f"sqlite://local/{self.path.resolve()}#{self.log}"


class SourceSettings(DatabaseSettings):
    """Reads a log from its oldest record, or from where the consumer stopped."""

    consumer: Name = "eventspan"
    """Each consumer keeps a position of its own, in the same file."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a consumer begins that has no position yet."""
    batch: Count = 500
    """Events read at once."""
    batch_bytes: Size = 16 * 2**20
    """Bytes of records read at once, where that is reached before ``batch``."""
    poll: Annotated[Duration, Field(ge=0.001, le=3600)] = 0.05
    """How long to wait before looking again for new records."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The log, so that bridges that go round are found before they run."""
        return (self.address,)


class SinkSettings(DatabaseSettings):
    """Appends to a log."""

    unique: bool = False
    """Write an event of a (source, id) once, however often it comes. Makes writes idempotent."""
    keep: Annotated[Duration, Field(gt=0)] | None = None
    """Delete records of this age that every consumer has passed. Without it all are kept."""

    @property
    def writes(self) -> tuple[str, ...]:
        """The log, as sources name it."""
        return (self.address,)

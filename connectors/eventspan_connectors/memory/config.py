"""Settings of the memory connector."""

from typing import Annotated, Literal

from pydantic import Field

from eventspan.settings import Count, Rate, Settings, Size

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Generate(Settings):
    """Make events up, for a first look without a broker."""

    rate: Rate = 5.0
    """How many events are written a second."""
    count: Count | None = None
    """How many are written; the source ends after them. Without it they never stop."""


class SourceSettings(Settings):
    """Reads a log of this process."""

    name: Name
    """The log. A sink of the same process with the same name writes it."""
    consumer: Name = "eventspan"
    """Each consumer keeps a position of its own."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a consumer begins that has no position yet."""
    batch: Count = 500
    """Events read at once."""
    lanes: Count = 1
    """Independently ordered parts; events of a key share one. Both ends say the same number."""
    generate: Generate | None = None
    """Also write made-up orders to the log."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The log, so that bridges that go round are found before they run."""
        return (_address(self.name),)


class SinkSettings(Settings):
    """Writes a log of this process."""

    name: Name
    """The log. A source of the same process with the same name reads it."""
    lanes: Count = 1
    """Independently ordered parts; events of a key share one. Both ends say the same number."""
    capacity: Count | None = None
    """Events that may wait for the slowest reader; a write beyond it waits for room."""
    max_event: Size | None = None
    """Data above this size is refused."""

    @property
    def writes(self) -> tuple[str, ...]:
        """The log, as sources name it."""
        return (_address(self.name),)


def _address(name: str) -> str:
    return f"memory://process/{name}"

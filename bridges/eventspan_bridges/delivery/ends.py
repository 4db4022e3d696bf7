"""Builds the ends of one bridge from its settings, and builds them again when asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from eventspan import (
    Context,
    Event,
    Halted,
    PartialWrite,
    Rejected,
    Sink,
    SinkTraits,
    Source,
    SourceTraits,
    Span,
)
from eventspan.errors import summary
from eventspan.failpoints import failpoint
from eventspan.state import StateStore
from eventspan_bridges.delivery.link import Link
from eventspan_bridges.settings import BridgeSettings, End
from eventspan_bridges.status import Status

Changed = Callable[[], None]


class Ends:
    """Source, sinks and dead letters of a bridge, each behind a ``Link``.

    ``reread`` gives the settings as they stand in the file now; a halted end is
    built from them, so that what was mended outside takes effect.
    """

    def __init__(
        self,
        settings: BridgeSettings,
        state: StateStore,
        folder: Path | None = None,
        reread: Callable[[], BridgeSettings] | None = None,
    ) -> None:
        self._settings = settings
        self._state = state
        self._folder = folder
        self._reread = reread or (lambda: settings)

    def source(
        self,
        releasing: Callable[[Collection[str]], Awaitable[None]],
        lost: Callable[[Collection[str]], None],
        changed: Changed,
    ) -> tuple[Link[Source], SourceTraits]:
        """The source's link and what the source promises."""
        end = self._settings.source
        status = self._status("source", changed)
        context = replace(self._context(status), releasing=releasing, lost=lost)

        def build() -> Source:
            now = self._reread().source
            assert now.connector.source is not None
            return now.connector.source.build(now.settings, context)

        assert end.connector.source is not None
        return Link(build, status, self._settings.retry), end.connector.source.traits_of(end.settings)

    def sink(self, name: str, changed: Changed) -> tuple[Link[Sink], SinkTraits]:
        """A sink's link and what the sink promises."""
        status = self._status(f"sinks.{name}", changed)

        def build() -> Sink:
            return self._build_sink(self._reread().sinks[name], status)

        return Link(build, status, self._settings.retry), _sink_traits(self._settings.sinks[name])

    def letters(self, changed: Changed) -> tuple[Link[Sink], SinkTraits] | None:
        """The dead-letter sink; None where the first refusal stops the bridge."""
        end = self._settings.dead_letter
        if end is None:
            return None

        status = self._status("dead_letter", changed)

        def build() -> Sink:
            now = self._reread().dead_letter or end
            return Confirmed(self._build_sink(now, status))

        return Link(build, status, self._settings.retry), _sink_traits(end)

    def _build_sink(self, end: End, status: Status) -> Sink:
        assert end.connector.sink is not None
        return end.connector.sink.build(end.settings, self._context(status))

    def _status(self, side: str, changed: Changed) -> Status:
        return Status(self._settings.name, side, changed)

    def _context(self, status: Status) -> Context:
        name, side = self._settings.name, status.side
        folder = self._folder / name / side if self._folder else None
        return Context(bridge=name, side=side, state=self._state, folder=folder, trouble=status.trouble)


class Confirmed:
    """A dead-letter sink: what it refuses halts the lane, because there is nowhere else to go."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def connect(self) -> None:
        await self._sink.connect()

    async def close(self) -> None:
        await self._sink.close()

    async def write(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        """Write and wait until every letter is durable."""
        failpoint("dlq.before")
        try:
            durable = await self._sink.write(events, spans)
            if durable is not None:
                await durable
        except PartialWrite as error:
            raise PartialWrite({at: _never_refused(why) for at, why in error.failures.items()}) from error
        except Rejected as error:
            raise _never_refused(error) from error
        failpoint("dlq.after")


def _never_refused(error: Exception) -> Exception:
    if not isinstance(error, Rejected):
        return error
    return Halted(f"the dead-letter sink refuses a dead letter: {summary(error)}", help=error.help)


def _sink_traits(end: End) -> SinkTraits:
    assert end.connector.sink is not None
    return end.connector.sink.traits_of(end.settings)

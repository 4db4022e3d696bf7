"""What a plug-in exports: a name, and how to build its two ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from eventspan.context import Context
from eventspan.endpoint import Sink, Source
from eventspan.settings import Settings

C = TypeVar("C", bound=Settings)


class SourceTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What a source promises. The runtime and the conformance kit read it."""

    ordered: bool = True
    """Records of a lane come in the order they were written."""
    redelivers: bool = True
    """What is given back, or never settled, is offered again without a restart of the broker."""
    sortable: bool = False
    """Positions of a lane can be compared by size."""
    stable: bool = False
    """A record has the same lane and position after a reconnect."""
    counts_deliveries: bool = False
    """The broker tells how often it has offered a record."""
    max_pending: int | None = None
    """How many events may wait unsettled; None for no limit of the broker's own."""
    lease_secs: float | None = None
    """How long an event may wait unsettled before the broker takes it back."""
    shared: bool = False
    """Several processes can read at once: a consumer group, or lanes with leases."""
    finite: bool = False
    """It ends by itself even when nobody asked for a bound."""


class SinkTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink promises. The runtime and the conformance kit read it."""

    keeps_order: bool = False
    """Events arrive in the order of the calls, and after a failure those behind it fail too."""
    idempotent: bool = False
    """Writing an event again, known by (source, id), changes nothing."""
    atomic: bool = False
    """A write is taken as a whole or not at all."""
    transactional: bool = False
    carries_records: bool = False
    """A raw record, body and headers, fits as it is; otherwise its dead letter is JSON around base64."""
    max_events: int | None = None
    """Events one write may hold."""
    max_bytes: int | None = None
    """Payload bytes one write may hold."""
    max_event_bytes: int | None = None
    """Size above which a single event is refused."""


class Loss(msgspec.Struct, frozen=True):
    """Something a record may have that has no place of its own in this protocol."""

    of: str
    """What it is, such as ``header values that are not UTF-8``."""
    becomes: str
    """What is written for it."""
    returns: bool
    """Whether it is what it was once it is read here and written where it came from."""


@dataclass(frozen=True, slots=True)
class SourceSpec(Generic[C]):
    """How to build a source, and what its broker can and cannot do."""

    settings: type[C]
    build: Callable[[C, Context], Source]
    traits: SourceTraits = SourceTraits()
    refine: Callable[[C], SourceTraits] | None = None
    """Traits under given settings, where they depend on them."""

    def traits_of(self, settings: C) -> SourceTraits:
        return self.refine(settings) if self.refine else self.traits


@dataclass(frozen=True, slots=True)
class SinkSpec(Generic[C]):
    """How to build a sink, and what its broker can and cannot do."""

    settings: type[C]
    build: Callable[[C, Context], Sink]
    traits: SinkTraits = SinkTraits()
    refine: Callable[[C], SinkTraits] | None = None
    destinations: tuple[str, ...] = ()
    """Settings that may be templates, such as ``topic``. Where one holds ``{{``, every event
    written carries the rendered texts of all of them as its ``destination``."""

    def traits_of(self, settings: C) -> SinkTraits:
        return self.refine(settings) if self.refine else self.traits


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """The object behind an entry point of the group ``eventspan.connectors``."""

    name: str
    summary: str
    """One sentence for the catalogue."""
    source: SourceSpec[Any] | None = None
    sink: SinkSpec[Any] | None = None
    url: Callable[[str], Mapping[str, Any]] | None = None
    """Settings from the short form ``name:...`` or ``name://...`` of ``send`` and ``recv``;
    raises ``ConfigError``."""
    bindings: Mapping[str, Any] = field(default_factory=dict)
    """Bindings by content mode, for ``convert``."""
    losses: tuple[Loss, ...] = ()
    """All that a record which goes through this connector may lose; whatever is not named here it keeps."""

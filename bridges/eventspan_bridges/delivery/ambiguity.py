"""After a write whose outcome is unknown: asks a sink that knows how far it has got."""

from collections.abc import Sequence

from eventspan import Sink, SinkTraits
from eventspan.endpoint import Delivered
from eventspan_bridges.delivery.parcel import Parcel


async def still_owed(
    sink: Sink, traits: SinkTraits, parcels: Sequence[Parcel]
) -> tuple[list[Parcel], list[Parcel]]:
    """Parcels that are durable after all, and those to write again, in order.

    A sink that knows events again needs no asking. One that does not is asked for the last
    durable position of each lane: a parcel that ends there has arrived, and those before it.
    """
    if traits.idempotent or not isinstance(sink, Delivered):
        return [], list(parcels)
    lanes = {span.lane for parcel in parcels for span in parcel.spans}
    reached = {lane: await sink.delivered(lane) for lane in lanes}
    last = {lane: _last(parcels, lane, reached[lane]) for lane in lanes}
    arrived = [
        n for n, parcel in enumerate(parcels) if parcel.spans and all(n <= last[s.lane] for s in parcel.spans)
    ]
    return [parcels[n] for n in arrived], [
        parcel for n, parcel in enumerate(parcels) if n not in set(arrived)
    ]


def _last(parcels: Sequence[Parcel], lane: str, position: object) -> int:
    """The last parcel that ends a lane at this position; -1 when none does."""
    if position is None:
        return -1
    ends = [n for n, p in enumerate(parcels) for s in p.spans if s.lane == lane and s.next == position]
    return max(ends, default=-1)

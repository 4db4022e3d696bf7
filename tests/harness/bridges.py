"""Bridges between doubles."""

from collections.abc import Sequence
from typing import Any

from eventspan import Connector, Context, Settings, SinkSpec, Source, SourceSpec
from eventspan.testing.doubles import Collect, Script
from eventspan_bridges.bridge import Bridge
from eventspan_bridges.delivery.ends import Ends
from eventspan_bridges.settings import BridgeSettings, Delivery, End, Limits, Retry, SinkEnd


def source_end(source: Any) -> End:
    """An end whose connector builds this very source."""

    def build(settings: Settings, context: Context) -> Source:
        source.context = context
        return source  # type: ignore[no-any-return] # any double will do

    return End(
        Connector(name="double", summary="", source=SourceSpec(Settings, build, source.traits)),
        Settings(),
        "source",
    )


def sink_end(sink: Any, side: str, **more: Any) -> SinkEnd:
    """An end whose connector builds this very sink."""
    spec = SinkSpec(Settings, lambda settings, context: sink, sink.traits)
    return SinkEnd(Connector(name="double", summary="", sink=spec), Settings(), side, **more)


def bridge_settings(
    source: Any,
    sinks: dict[str, Any],
    *,
    dead: Collect | None = None,
    optional: Sequence[str] = (),
    delivery: dict[str, Any] | None = None,
    retry: dict[str, Any] | None = None,
    name: str = "b",
    **more: Any,
) -> BridgeSettings:
    ends = {
        n: s if isinstance(s, SinkEnd) else sink_end(s, f"sinks.{n}", optional=n in optional)
        for n, s in sinks.items()
    }
    return BridgeSettings(
        name=name,
        source=source_end(source),
        sinks=ends,
        dead_letter=None if dead is None else sink_end(dead, "dead_letter"),
        delivery=Delivery().model_copy(update=delivery or {}),
        retry=Retry().model_copy(update=retry or {}),
        **{"limits": Limits(), **more},
    )


def make_bridge(source: Script, *sinks: Collect, **more: Any) -> Bridge:
    """A bridge from a script to sinks named ``s0``, ``s1`` and so on."""
    named = {f"s{n}": sink for n, sink in enumerate(sinks)}
    settings = bridge_settings(source, {**named, **more.pop("named", {})}, **more)
    return Bridge(settings, Ends(settings, Context().state))

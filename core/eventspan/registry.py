"""Finds installed connectors by name: the only module that knows stevedore."""

import re
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from stevedore.driver import DriverManager
from stevedore.exception import NoMatches

from eventspan.connector import Connector, SinkSpec, SourceSpec
from eventspan.errors import ConfigError, UnknownConnector
from eventspan.settings import Settings

GROUP = "eventspan.connectors"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class _Connectors(DriverManager):  # type: ignore[type-arg] # generic in its stubs only
    def list_entry_points(self) -> list[EntryPoint]:
        # stevedore's disk cache rounds times to about two minutes, so it hides what
        # was installed after something else; the metadata itself is read instead.
        return _installed(self.namespace)


def _installed(group: str) -> list[EntryPoint]:
    # One distribution can stand on the path twice (an editable checkout and its
    # metadata); the same value from the same distribution is one claim.
    seen = {(e.name, e.value, _origin(e)): e for e in entry_points(group=group)}
    return list(seen.values())


def _origin(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "?"


def names() -> list[str]:
    """Name every installed connector, without importing any of them."""
    return sorted({entry.name for entry in _installed(GROUP)})


def origin(name: str) -> str:
    """The distribution and version that bring a connector, without importing it."""
    entry = _claimed(name)
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"


def load(name: str) -> Connector:
    """Import one connector.

    Raises:
        UnknownConnector: Nothing installed has this name.
        ConfigError: It cannot be used: its client library is missing, it is broken,
            or two distributions claim the name. ``help`` says what to do.

    """
    entry = _claimed(name)
    try:
        found = _Connectors(GROUP, name, on_missing_entrypoints_callback=None)
    except NoMatches:
        raise _unknown(name) from None
    except ImportError as error:
        raise _missing(entry, error) from error
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise ConfigError(
            f"connector {name!r} from {_origin(entry)} is broken: {type(error).__name__}"
        ) from error
    connector = found.extensions[0].plugin
    if flaw := _flaw(connector, entry.value):
        raise ConfigError(f"connector {name!r} from {_origin(entry)} is broken: {flaw}")
    assert isinstance(connector, Connector)
    return connector


def _flaw(connector: object, value: str) -> str | None:
    """What keeps an object from being a connector; None where nothing does."""
    if not isinstance(connector, Connector):
        return f"{value} is no Connector"
    for side, kind in (("source", SourceSpec), ("sink", SinkSpec)):
        spec = getattr(connector, side)
        if spec is None:
            continue
        if not isinstance(spec, kind):
            return f"its {side} is no {kind.__name__}"
        if not (isinstance(spec.settings, type) and issubclass(spec.settings, Settings)):
            return f"the settings of its {side} are no Settings"
    return None


def _claimed(name: str) -> EntryPoint:
    claims = [entry for entry in _installed(GROUP) if entry.name == name]
    if not claims:
        raise _unknown(name)
    if len(claims) > 1:
        owners = " and ".join(sorted(_origin(entry) for entry in claims))
        raise ConfigError(f"connector {name!r} is claimed by {owners}", help="uninstall one of them")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"connector {name[:40]!r} from {_origin(claims[0])} is broken: not a name")
    return claims[0]


def _unknown(name: str) -> UnknownConnector:
    return UnknownConnector(f"no connector called {name[:40]!r}", help="installed: " + ", ".join(names()))


def _missing(entry: EntryPoint, error: ImportError) -> ConfigError:
    module = (error.name or "").partition(".")[0]
    if module and module != entry.module.partition(".")[0] and _has_extra(entry):
        return ConfigError(
            f"connector {entry.name!r} needs the package {module!r}",
            help=f"pip install '{_origin(entry)}[{entry.name}]'",
        )
    return ConfigError(f"connector {entry.name!r} from {_origin(entry)} is broken: it cannot be imported")


def _has_extra(entry: EntryPoint) -> bool:
    extras: Iterable[str] = entry.dist.metadata.get_all("Provides-Extra") or () if entry.dist else ()
    return entry.name in extras

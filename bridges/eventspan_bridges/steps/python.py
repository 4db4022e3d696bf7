"""``python``: a function of the user's own."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from eventspan.errors import ConfigError, EventspanError, Rejected
from eventspan.event import Event
from eventspan_bridges.steps.children import children


class Python:
    """Calls ``module:function`` with the event; it gives an event, a list of events, or None.

    An exception of the function makes the event a dead letter that names its type
    only, for the message could hold what is in the event. Exceptions of eventspan
    mean what they always mean.
    """

    name = "python"

    def __init__(self, value: object) -> None:
        module, _, function = value.partition(":") if isinstance(value, str) else ("", "", "")
        if not module or not function:
            raise ConfigError("python needs module:function, such as shop.steps:enrich")
        self._target = f"{module}:{function}"
        self._function = _load(module, function)
        self.asynchronous = _is_async(self._function)

    def __call__(self, event: Event) -> Event | list[Event] | Awaitable[Event | list[Event] | None] | None:
        if self.asynchronous:
            return self._awaited(event)
        try:
            result = self._function(event)
        except EventspanError:
            raise
        except Exception as error:
            raise self._rejected(error) from error
        return self._outcome(event, result)

    async def _awaited(self, event: Event) -> Event | list[Event] | None:
        try:
            result = await self._function(event)
        except EventspanError:
            raise
        except Exception as error:
            raise self._rejected(error) from error
        return self._outcome(event, result)

    def _rejected(self, error: Exception) -> Rejected:
        return Rejected(f"python step {self._target} raised {type(error).__name__}")

    def _outcome(self, event: Event, result: object) -> Event | list[Event] | None:
        if result is None or isinstance(result, Event):
            return result
        if isinstance(result, list | tuple) and all(isinstance(child, Event) for child in result):
            return children(event, result, f"python step {self._target}") or None
        kind = type(result).__name__
        raise Rejected(f"python step {self._target} gave {kind}, not an Event, a list of them or None")


def _load(module: str, function: str) -> Callable[[Event], Any]:
    try:
        found = importlib.import_module(module)
    except Exception as error:
        raise ConfigError(f"cannot import {module}: {type(error).__name__}: {error}") from error
    target = getattr(found, function, None)
    if target is None:
        near = difflib.get_close_matches(function, dir(found), 1)
        raise ConfigError(f"{module} has no {function!r}", help=f"did you mean {near[0]}?" if near else None)
    if not callable(target):
        raise ConfigError(f"{module}:{function} is no function")
    return target  # type: ignore[no-any-return] # whatever the user's module holds


def _is_async(function: Callable[[Event], Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 -- asks how it is called, not whether
    )

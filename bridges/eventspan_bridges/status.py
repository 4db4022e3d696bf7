"""How an end or a bridge is doing, and the one line printed when that changes."""

import logging
import time
from collections.abc import Callable
from enum import Enum

from eventspan.errors import EventspanError, summary

log = logging.getLogger("eventspan")


class State(Enum):
    """Where an end or a bridge stands."""

    STARTING = "starting"
    RUNNING = "running"
    RETRYING = "retrying"
    """The connection is gone; it is tried again with back-off."""
    HALTED = "halted"
    """Nothing moves until something outside changes."""
    PAUSED = "paused"
    DRAINING = "draining"
    DONE = "done"
    FAILED = "failed"
    """Ended with an error; it does not start again by itself."""


_REASONS = 100
_LEVELS = {State.RETRYING: logging.WARNING, State.HALTED: logging.ERROR, State.FAILED: logging.ERROR}


class Status:
    """The state of one side, its reason, and since when."""

    def __init__(self, bridge: str, side: str, changed: Callable[[], None] = lambda: None) -> None:
        self.bridge = bridge
        self.side = side
        self.state = State.STARTING
        self.reason: str | None = None
        self.help: str | None = None
        self.since = time.time()
        self._changed = changed
        self._said: set[str | None] = set()
        """Reasons told since the state was entered."""

    def enter(self, state: State, error: BaseException | None = None) -> None:
        """Change the state; says so once, and again only for a reason that is new."""
        reason = None if error is None else summary(error)
        if (state, reason) == (self.state, self.reason):
            return
        if state is not self.state or len(self._said) > _REASONS:
            self._said.clear()
        self.state, self.reason, self.since = state, reason, time.time()
        self.help = error.help if isinstance(error, EventspanError) else None
        if reason not in self._said:
            self._said.add(reason)
            self._say()
        self._changed()

    def trouble(self, error: Exception | None) -> None:
        """Show that nothing moves although nothing has failed; None: it moves again."""
        self.enter(State.RUNNING if error is None else State.RETRYING, error)

    def _say(self) -> None:
        fields = {"bridge": self.bridge, "side": self.side, "state": self.state.value}
        if self.reason:
            fields["error"] = self.reason
        if self.help:
            fields["help"] = self.help
        log.log(_LEVELS.get(self.state, logging.INFO), self.state.value, extra={"fields": fields})

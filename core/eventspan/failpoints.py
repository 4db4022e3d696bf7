"""Named places where a test makes the process die or fail.

``EVENTSPAN_FAILPOINTS="sink.after_write=kill9:3,state.before_write=raise"`` strikes
``sink.after_write`` the third time it is passed. Unset, a failpoint is a call of a
function that does nothing, once per batch at most.
"""

import os
import signal
import time
from collections.abc import Callable

VARIABLE = "EVENTSPAN_FAILPOINTS"
STAGES = {
    "source": ("before_poll", "after_poll", "after_track"),
    "sink": ("before_write", "mid_write", "after_write"),
    "dlq": ("before", "after"),
    "state": ("before_write", "after_write"),
    "ack": ("before_commit", "after_commit"),
    "rebalance": ("before_revoke", "in_revoke", "after_assign"),
    "shutdown": tuple(f"step{n}" for n in range(1, 9)),
    "reconnect": ("start", "after"),
}
NAMES = frozenset(f"{stage}.{place}" for stage, places in STAGES.items() for place in places)


class FailpointError(Exception):
    """What ``raise`` raises: an error nobody has foreseen."""


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise() -> None:
    raise FailpointError("struck")


ACTIONS: dict[str, Callable[[], None]] = {
    "kill9": _die,
    "raise": _raise,
    "hang": lambda: time.sleep(3600),
    "enospc": lambda: _errno(28),
}


def _errno(number: int) -> None:
    raise OSError(number, os.strerror(number))


def _nowhere(name: str) -> None:
    """Nothing is armed."""


def _armed(text: str) -> Callable[[str], None]:
    left: dict[str, tuple[int, Callable[[], None]]] = {}
    for part in text.split(","):
        name, _, what = part.strip().partition("=")
        action, _, count = what.partition(":")
        if name not in NAMES or action not in ACTIONS:
            raise ValueError(f"{VARIABLE}: no failpoint {part.strip()!r}")
        left[name] = int(count or 1), ACTIONS[action]

    def pass_by(name: str) -> None:
        if name in left:
            count, action = left[name]
            left[name] = count - 1, action
            if count == 1:
                action()

    return pass_by


failpoint: Callable[[str], None] = _armed(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else _nowhere
"""Call it with one of ``NAMES``."""

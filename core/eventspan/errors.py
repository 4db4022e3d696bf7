"""Exceptions, each named for what the runtime does next."""

from collections.abc import Mapping


class EventspanError(Exception):
    """Root of every exception raised on purpose.

    The message is one sentence for a person; ``help`` says what to do about it.
    Neither may hold a secret or the content of an event.
    """

    def __init__(self, message: str = "", *, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


class ConfigError(EventspanError):
    """The settings are wrong. The worker refuses to start."""


class UnknownConnector(ConfigError):
    """No installed connector has this name."""


class NotConnected(EventspanError):
    """The connection is gone. The runtime calls ``connect`` with back-off.

    From ``write`` it is ambiguous: the events may or may not have arrived.
    """


class EndOfStream(EventspanError):
    """A finite source is exhausted. The bridge drains and stops."""


class Rejected(EventspanError):
    """The far side will never take this event. It becomes a dead letter.

    Raised by ``write`` for more than one event it says that some of them are
    refused without saying which; the runtime finds out by dividing.
    """


class Undecodable(Rejected):
    """A record is no valid event. Raised at whatever stage it is first looked at."""


class PartialWrite(EventspanError):
    """Some events of a write were taken and some were not.

    ``failures`` maps the index, within the events handed to ``write``, of each
    event that failed to its reason. Every index that is absent is durable. A
    reason that is ``Rejected`` is final; any other reason is tried again.
    """

    def __init__(self, failures: Mapping[int, Exception]) -> None:
        super().__init__(f"{len(failures)} event(s) not written")
        self.failures = dict(failures)


class Halted(EventspanError):
    """Nothing moves until something outside changes.

    A refused credential, a missing target, a lost position. The lane stops,
    says so, probes by ``connect`` with a long back-off, and advances nothing.
    """


class PositionLost(Halted):
    """The position to resume from is gone, corrupt or of another kind."""


def summary(error: BaseException) -> str:
    """One line for logs and dead letters: the type and the first line, 1 KiB at most."""
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}"[:1024] if text else type(error).__name__

"""What the client and the broker say, as what the runtime does next: one table."""

import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import aiormq

from eventspan.errors import EventspanError, Halted, NotConnected

if TYPE_CHECKING:
    from eventspan_connectors.amqp.config import Connection


class NotConfirmed(EventspanError):
    """The broker did not take responsibility for a message. It is tried again."""


_HALTED = {
    402: ("an invalid path", "check the names of the virtual host and the target"),
    403: ("access refused", "an administrator gives it with rabbitmqctl set_permissions"),
    404: ("not found", "make it, name another, or let `declare` make a queue"),
    405: ("locked", "another connection has the queue for itself; stop that one or name another queue"),
    530: ("not allowed", "the broker's log says more"),
}
"""Reply codes that stay until somebody changes something outside, and what that is."""


def closed(code: int, text: str, settings: "Connection") -> EventspanError:
    """The error for a connection or channel the broker closed with a reply code."""
    if code == 403 and "Login was refused" in text:
        return Halted(
            f"{settings.peer} refused user {settings.username!r}", help="check the user and the password"
        )
    if "access to vhost" in text or (code == 530 and "vhost" in text):
        return Halted(
            f"{settings.peer} refused virtual host {settings.vhost!r}: {text[:300]}",
            help="it may not exist, or the user may have no access to it",
        )
    if code in _HALTED:
        reason, help = _HALTED[code]
        return Halted(f"{settings.peer}, {settings.target}: {text[:300] or reason}", help=help)
    return NotConnected(f"{settings.peer} closed with {code}: {text[:300]}")


_CERTIFICATES = {
    9: "the certificate is not valid yet; is the clock right?",
    10: "the certificate has expired",
    62: "name the host as its certificate does",
    64: "name the host as its certificate does",
}
"""What to do about a certificate, by OpenSSL's verification code."""


def translate(error: BaseException, settings: "Connection") -> EventspanError | None:
    """The error for an exception of the client; None for what nobody foresaw."""
    for kind, answer in _TABLE:
        if isinstance(error, kind):
            return answer(error, settings)
    return None


def _first(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__


def _text(error: BaseException) -> str:
    return str(error.args[0]) if error.args else ""


def _certificate(error: BaseException, settings: "Connection") -> EventspanError:
    reason = getattr(error, "verify_message", "")
    help = _CERTIFICATES.get(getattr(error, "verify_code", 0), "tls.ca names the authority to trust")
    return Halted(f"{settings.peer}: TLS verification failed: {reason}", help=help)


_OUTDATED = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION")


def _handshake(error: BaseException, settings: "Connection") -> EventspanError:
    text = f"{settings.peer}: TLS failed: {_first(error)}"
    if getattr(error, "reason", None) in _OUTDATED:
        return Halted(text, help="both have to speak TLS 1.2 or later")
    return NotConnected(text, help="is it the TLS port?")


def _log_in(error: BaseException, settings: "Connection") -> EventspanError:
    help = "check the user and the password"
    return Halted(f"{settings.peer} refused user {settings.username!r}", help=help)


def _vhost(error: BaseException, settings: "Connection") -> EventspanError:
    # The library keeps no reason; where the broker gave one, the link has it already.
    return Halted(f"{settings.peer} refused virtual host {settings.vhost!r}", help="it may not exist")


def _coded(code: int) -> "_Answer":
    return lambda error, settings: closed(code, _text(error), settings)


_Answer: TypeAlias = "Callable[[BaseException, Connection], EventspanError]"
_client = aiormq.exceptions
_TABLE: tuple[tuple[type[BaseException], _Answer], ...] = (
    (ssl.SSLCertVerificationError, _certificate),
    (ssl.SSLError, _handshake),
    (socket.gaierror, lambda e, s: NotConnected(f"{s.host} cannot be resolved")),
    (_client.ProbableAuthenticationError, _log_in),
    (_client.AuthenticationError, lambda e, s: Halted(f"{s.peer} offers no log-in mechanism that is known")),
    (_client.ChannelAccessRefused, _coded(403)),
    (_client.ChannelNotFoundEntity, _coded(404)),
    (_client.ChannelLockedResource, _coded(405)),
    (_client.ChannelPreconditionFailed, _coded(406)),
    (_client.ConnectionNotAllowed, _coded(530)),
    (_client.InvalidFrameError, _vhost),
    (
        ValueError,
        lambda e, s: Halted(f"{s.peer}: {_first(e)}", help="only brokers with the extensions of RabbitMQ do"),
    ),
    (TimeoutError, lambda e, s: NotConnected(f"{s.peer} did not answer in time")),
    (OSError, lambda e, s: NotConnected(f"{s.peer} cannot be reached: {_first(e)}")),
    (EOFError, lambda e, s: NotConnected(f"{s.peer} closed the connection while connecting")),
    (aiormq.AMQPError, lambda e, s: NotConnected(f"{s.peer}: {_first(e)}")),
    (_client.ChannelInvalidStateError, lambda e, s: NotConnected(f"{s.peer}: the channel is gone")),
)

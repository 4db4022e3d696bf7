"""The client's exceptions become ours: one table."""

import re
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from eventspan.errors import ConfigError, EventspanError, Halted, NotConnected, PositionLost, Rejected

_E = KafkaError
_LOGIN = "check sasl.username and sasl.password"
_TRUST = "check tls.ca, that the servers are named as in their certificate, and speak TLS 1.2 or later"
_PERMIT = "grant the permission with kafka-acls, or name another target"

TABLE: Final[dict[int, tuple[type[EventspanError], str, str | None]]] = {
    _E._AUTHENTICATION: (Halted, "the brokers refuse the credentials", _LOGIN),
    _E.SASL_AUTHENTICATION_FAILED: (Halted, "the brokers refuse the credentials", _LOGIN),
    _E.UNSUPPORTED_SASL_MECHANISM: (Halted, "the brokers do not offer this SASL mechanism", _LOGIN),
    _E.ILLEGAL_SASL_STATE: (Halted, "the brokers expect another way to log in", "check sasl and tls"),
    _E.TOPIC_AUTHORIZATION_FAILED: (Halted, "no permission, or the topic does not exist", _PERMIT),
    _E.GROUP_AUTHORIZATION_FAILED: (Halted, "no permission for the consumer group", _PERMIT),
    _E.CLUSTER_AUTHORIZATION_FAILED: (Halted, "no permission for the cluster", _PERMIT),
    _E.UNKNOWN_TOPIC_OR_PART: (Halted, "the topic does not exist", "create it, or correct its name"),
    _E._UNKNOWN_TOPIC: (Halted, "the topic does not exist", "create it, or correct its name"),
    _E._UNKNOWN_PARTITION: (Halted, "the partition does not exist any more", None),
    _E.UNKNOWN_TOPIC_ID: (NotConnected, "the topic was made anew", None),
    _E.INCONSISTENT_TOPIC_ID: (NotConnected, "the topic was made anew", None),
    _E.TOPIC_EXCEPTION: (Halted, "the topic has a name the brokers refuse", None),
    _E.POLICY_VIOLATION: (Halted, "a policy of the cluster forbids it", None),
    _E.UNSUPPORTED_VERSION: (Halted, "the brokers are too old", None),
    _E.FENCED_INSTANCE_ID: (
        Halted,
        "another member of the group has taken over this instance name",
        "give every worker its own `instance`",
    ),
    _E._LOG_TRUNCATION: (PositionLost, "the position to resume from is gone", None),
    _E._AUTO_OFFSET_RESET: (PositionLost, "the position to resume from is gone", None),
    _E.OFFSET_OUT_OF_RANGE: (PositionLost, "the position to resume from is gone", None),
    _E.MSG_SIZE_TOO_LARGE: (Rejected, "the record is larger than the topic takes", None),
    _E.RECORD_LIST_TOO_LARGE: (Rejected, "the record is larger than the topic takes", None),
    _E.INVALID_RECORD: (Rejected, "the brokers refuse the record", None),
    _E.INVALID_TIMESTAMP: (Rejected, "the brokers refuse the record's timestamp", None),
    _E.UNSUPPORTED_FOR_MESSAGE_FORMAT: (Rejected, "the topic cannot hold headers", None),
    _E._INVALID_ARG: (ConfigError, "the client library refuses the settings", None),
    _E._CONFLICT: (ConfigError, "the client library refuses the settings", None),
}
"""What a code means to us. Anything else is a connection that may come back."""

_ADDRESS = re.compile(r"GroupCoordinator: ([^\s/:]+:\d+)|([^\s/:]+:\d+)/(?:\d+|bootstrap)")
_VERIFY = re.compile(
    r"certificate|(?:wrong|protocol).version|unsupported.protocol|verif|unknown ca|handshake failure",
    re.IGNORECASE,
).search


def translate(error: KafkaError | KafkaException, what: str, servers: Sequence[str] = ()) -> EventspanError:
    """Our exception for one of the client's; ``what`` names the topic, group or lane."""
    if isinstance(error, KafkaException):
        error = (
            error.args[0] if error.args and isinstance(error.args[0], KafkaError) else KafkaError(_E._FAIL)
        )
    found = TABLE.get(_code(error))
    if found is not None:
        kind, sentence, help = found
        where = f" at {', '.join(servers)}" if servers and kind is not Rejected else ""
        return kind(f"{what}{where}: {sentence} ({error.name()})", help=help)
    if error.code() == _E._SSL:
        return _tls(error, what, servers)
    return NotConnected(f"{what}: {_reason(error, servers)}", help=_way_out(error.str(), servers))


def explained(
    error: KafkaError | KafkaException, heard: Sequence[KafkaError], what: str, servers: Sequence[str] = ()
) -> EventspanError:
    """``translate``, by what the client has heard of its brokers where the error itself says little."""
    found = translate(error, what, servers)
    told = [e for e in heard if e.code() != _E._ALL_BROKERS_DOWN]
    return translate(told[-1], what, servers) if told and type(found) is NotConnected else found


def is_final(error: KafkaError) -> bool:
    """Whether the client can never go on after it."""
    return error.fatal() or error.code() == _E._FATAL


def _code(error: KafkaError) -> int:
    # A fatal error hides its own code, but not its words.
    return _E.FENCED_INSTANCE_ID if error.code() == _E._FATAL and "fenced" in error.str() else error.code()


def _tls(error: KafkaError, what: str, servers: Sequence[str]) -> EventspanError:
    where = ", ".join(servers)
    if _VERIFY(error.str()):
        return Halted(f"{what}: TLS with {where} is refused: {_short(error.str())}", help=_TRUST)
    return NotConnected(f"{what}: TLS with {where} failed: {_short(error.str())}", help=_TRUST)


def _reason(error: KafkaError, servers: Sequence[str]) -> str:
    text, other = _short(error.str()), _advertised(error.str(), servers)
    if other is None:
        return f"not connected to {', '.join(servers)}: {text}"
    return f"the cluster at {', '.join(servers)} advertises the address {other}, not reachable: {text}"


def _way_out(text: str, servers: Sequence[str]) -> str:
    other = _advertised(text, servers)
    if other is None:
        return "check that the brokers run, the address, and whether they expect TLS or SASL"
    return f"correct advertised.listeners of the broker, or make {other} reachable from here"


def _advertised(text: str, servers: Sequence[str]) -> str | None:
    """An address in the words of the client that is none of those it was given."""
    found = _ADDRESS.search(text)
    address = (found[1] or found[2]) if found else None
    return None if address in servers else address


def _short(text: str) -> str:
    """The reason without the client's own preamble and statistics."""
    text = re.sub(r"^(?:\[thrd:[^]]*\]: )?(?:sasl_)?(?:plaintext|ssl)?(?:://)?", "", text)
    return re.sub(r" \(after \d+ms in state .*", "", text)[:300]


def unusable(error: Exception) -> ConfigError:
    """The client could not even be built: an option, or a file it names."""
    first = error.args[0] if error.args else ""
    text = first.str() if isinstance(first, KafkaError) else str(error)
    return ConfigError(
        f"the client library refuses the settings: {text[:300]}", help="check tls, sasl and options"
    )

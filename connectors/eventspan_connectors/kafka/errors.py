"""The client's exceptions become ours: one table."""

import re
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from eventspan.errors import ConfigError, EventspanError, Halted, NotConnected, PositionLost, Rejected

_E = KafkaError
_LOGIN = "check sasl.username and sasl.password"
_TRUST = "check tls.ca, and that the servers are named as in their certificate"
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

_ADDRESS = re.compile(r"([^\s/:]+:\d+)/(\d+|bootstrap)")
_VERIFY = re.compile(r"certificate|wrong.version|verif|unknown ca|handshake failure", re.IGNORECASE).search


def translate(error: KafkaError | KafkaException, what: str, servers: Sequence[str] = ()) -> EventspanError:
    """Our exception for one of the client's; ``what`` names the topic, group or lane."""
    if isinstance(error, KafkaException):
        error = (
            error.args[0] if error.args and isinstance(error.args[0], KafkaError) else KafkaError(_E._FAIL)
        )
    found = TABLE.get(error.code())
    if found is not None:
        kind, sentence, help = found
        where = f" at {', '.join(servers)}" if servers and kind is not Rejected else ""
        return kind(f"{what}{where}: {sentence} ({error.name()})", help=help)
    if error.code() == _E._SSL:
        return _tls(error, what, servers)
    return NotConnected(f"{what}: {_reason(error, servers)}", help=_advertised(error.str(), servers))


def _tls(error: KafkaError, what: str, servers: Sequence[str]) -> EventspanError:
    where = ", ".join(servers)
    if _VERIFY(error.str()):
        return Halted(f"{what}: TLS with {where} is refused: {_short(error.str())}", help=_TRUST)
    return NotConnected(f"{what}: TLS with {where} failed: {_short(error.str())}", help=_TRUST)


def _reason(error: KafkaError, servers: Sequence[str]) -> str:
    text = _short(error.str())
    found = _ADDRESS.search(error.str())
    if found is None or found[1] in servers:
        return f"not connected to {', '.join(servers)}: {text}"
    return f"the cluster at {', '.join(servers)} advertises the address {found[1]}, not reachable: {text}"


def _advertised(text: str, servers: Sequence[str]) -> str | None:
    found = _ADDRESS.search(text)
    if found and found[1] not in servers:
        return f"correct advertised.listeners of the broker, or make {found[1]} reachable from here"
    return "check that the brokers run, the address, and whether they expect TLS or SASL"


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

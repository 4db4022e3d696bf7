"""The server.properties of one node."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.certificates import Certificates

SINGLE_NODE = {
    # One node cannot hold three replicas: without these no group and no transaction works.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # 50 partitions each by default, which makes the first consume take seconds.
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # The first join of a classic group waits 3 s by default.
    "group.initial.rebalance.delay.ms": "0",
    # Lets a test ask for short sessions.
    "group.min.session.timeout.ms": "500",
    # In the new protocol the broker sets the rhythm; a second member waits 5 s by default.
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "300",
    "group.consumer.min.session.timeout.ms": "500",
    "group.consumer.session.timeout.ms": "10000",
    # The cleaner takes 128 MiB of heap by default.
    "log.cleaner.dedupe.buffer.size": "2097152",
    # A topic that is missing has to stay missing, or no test could see what a bridge makes of it.
    "auto.create.topics.enable": "false",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "background.threads": "2",
    # After kill -9 the controller keeps the dead broker until its session ends, 9 s by default.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}


_PROTOCOLS = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,SECURE:SASL_SSL"


@dataclass(frozen=True)
class Listeners:
    """Loopback ports of one node; `secure` is the SASL_SSL one.

    `proxied` is one more plain listener: the port it has, and the port that clients are told to use.
    """

    plain: int
    controller: int
    secure: int
    proxied: tuple[int, int] | None = None

    def clients(self, *, told: bool) -> str:
        """Listeners of clients: as they are, or as clients are told."""
        found = f"PLAINTEXT://127.0.0.1:{self.plain},SECURE://127.0.0.1:{self.secure}"
        return found + (f",PROXIED://127.0.0.1:{self.proxied[told]}" if self.proxied else "")


def properties(listeners: Listeners, data: Path, security: Mapping[str, str]) -> str:
    """Text of the file."""
    clients = listeners.clients(told=False)
    return "".join(
        f"{key}={value}\n"
        for key, value in {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{listeners.controller}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": f"{clients},CONTROLLER://127.0.0.1:{listeners.controller}",
            "advertised.listeners": listeners.clients(told=True),
            "listener.security.protocol.map": _PROTOCOLS,
            "log.dirs": str(data),
            **SINGLE_NODE,
            **security,
        }.items()
    )


def security(certificates: Certificates, plain: Mapping[str, str]) -> dict[str, str]:
    """The secure listener: PLAIN and SCRAM-SHA-256 over TLS, ACLs, and a key store that is plain PEM."""
    store = certificates.certificate.with_name("keystore.pem")
    store.write_text(certificates.key.read_text() + certificates.certificate.read_text())
    login = "org.apache.kafka.common.security"
    users = " ".join(f'user_{name}="{password}"' for name, password in plain.items())
    return {
        "listener.name.secure.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        "listener.name.secure.plain.sasl.jaas.config": f"{login}.plain.PlainLoginModule required {users};",
        "listener.name.secure.scram-sha-256.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
        "listener.name.secure.ssl.keystore.type": "PEM",
        "listener.name.secure.ssl.keystore.location": str(store),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # ANONYMOUS is who comes through the plain listener and the controller's.
        "super.users": "User:ANONYMOUS;User:admin",
    }

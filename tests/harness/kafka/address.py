"""Where a Kafka is and how a client gets in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class SecureListener:
    """The SASL_SSL listener: authorisation by ACL, `admin` is a super user, everybody else may do nothing.

    `plain` users log in by PLAIN, `scram` users by SCRAM-SHA-256; both map a name to its password.
    """

    bootstrap: str
    authority: Path
    plain: Mapping[str, str] = field(default_factory=dict)
    scram: Mapping[str, str] = field(default_factory=dict)

    def client_settings(self, user: str, password: str | None = None) -> dict[str, str | int | float | bool]:
        """Settings of a librdkafka client for `user`; another `password` makes the login fail."""
        known = self.plain.get(user) or self.scram.get(user) or ""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": "SCRAM-SHA-256" if user in self.scram else "PLAIN",
            "sasl.username": user,
            "sasl.password": known if password is None else password,
            "ssl.ca.location": str(self.authority),
        }


@dataclass(frozen=True)
class KafkaAddress:
    """A Kafka that tests share; `secure` is None where somebody else runs it."""

    bootstrap: str
    secure: SecureListener | None = None

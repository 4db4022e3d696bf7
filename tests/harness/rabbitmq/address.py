"""Where a RabbitMQ is and how a client gets in."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from harness.rabbitmq.management import Management


@dataclass(frozen=True)
class RabbitAddress:
    """A RabbitMQ that tests share; what is None is not offered by a server that somebody else runs."""

    url: str
    management: Management | None = None
    tls_url: str | None = None
    authority: Path | None = None

    def url_of(self, user: str, password: str, vhost: str = "/") -> str:
        """The plain URL for another user or virtual host."""
        host = urlsplit(self.url).netloc.rpartition("@")[2]
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return urlunsplit(("amqp", f"{login}@{host}", f"/{quote(vhost, safe='')}", "", ""))

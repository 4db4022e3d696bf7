"""Settings of both ends, and the short form of an address."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import Field, field_validator, model_validator

from eventspan.errors import ConfigError
from eventspan.secret import Secret
from eventspan.settings import (
    Count,
    Duration,
    EnvelopeSink,
    EnvelopeSource,
    Port,
    Settings,
    Size,
    Tls,
    is_template,
)
from eventspan_connectors.amqp.options import Option, refuse_unlisted

Short = Annotated[str, Field(max_length=255)]
Prefix = Literal["ce-", "cloudEvents_", "cloudEvents:"]
_PORTS = {"amqp": 5672, "amqps": 5671}


class Declare(Settings):
    """A queue to declare at start. Without it a missing queue is reported, never created."""

    type: Literal["classic", "quorum"] = "quorum"
    """Kind of queue: ``quorum`` is replicated and counts deliveries."""
    durable: bool = True
    """It survives a restart of the broker. Quorum queues always do."""
    arguments: dict[str, str | int | bool] = Field(default_factory=dict)
    """Further arguments, such as ``x-delivery-limit`` or ``x-dead-letter-exchange``."""

    @model_validator(mode="after")
    def _fits(self) -> "Declare":
        if self.type == "quorum" and not self.durable:
            raise ValueError("a quorum queue is always durable")
        return self

    def table(self) -> dict[str, Any]:
        """The arguments the broker is given."""
        return {"x-queue-type": self.type, **self.arguments}


class Connection(Settings):
    """How to reach the broker."""

    url: Secret | None = None
    """``amqp://user:password@host:5672/vhost`` or ``amqps://…``; or give the parts below."""
    host: str = "localhost"
    """Name or address of the broker."""
    port: Port = 5672
    """5672, or 5671 with TLS."""
    vhost: str = "/"
    """Virtual host. In a URL a lone ``/`` means the default one, also written ``%2f``."""
    username: str = "guest"
    """User to log in as."""
    password: Secret = Secret("guest")
    """Password of the user."""
    tls: Tls | None = None
    """Transport security; on with ``amqps://`` too."""
    heartbeat: Duration = Field(default=10.0, ge=1, le=3600)
    """Interval of heartbeats; a silent connection is given up after about three of them."""
    connect_timeout: Duration = Field(default=5.0, gt=0, le=300)
    """How long connecting, and each answer while doing it, may take."""
    options: dict[str, Option] = Field(default_factory=dict)
    """Further options of the client library, from a list of those that are safe to change."""

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("url") is None:
            return _with_tls_port(values)
        given = {"host", "port", "vhost", "username", "password"} & set(values)
        if given:
            raise ValueError(f"give url or {sorted(given)[0]}, not both")
        url = values["url"]
        return {**values, **_parts(url.reveal() if isinstance(url, Secret) else url, values.get("tls"))}

    @field_validator("options")
    @classmethod
    def _listed(cls, options: dict[str, Option]) -> dict[str, Option]:
        return refuse_unlisted(options)

    def resource(self, kind: Literal["queue", "exchange"], name: str) -> str:
        """The URI of a queue or an exchange, without the user; equal for equal ones."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"amqp://{host}:{self.port}/{quote(self.vhost, safe='')}/{kind}/{name}"

    @property
    def peer(self) -> str:
        """How messages name the broker: host and port, never the credentials."""
        return f"{self.host}:{self.port}"

    @property
    def target(self) -> str:
        """How messages name what is read or written there."""
        return f"virtual host {self.vhost!r}"

    def parameters(self) -> dict[str, Any]:
        """Arguments of the client's own URL."""
        return {
            "host": self.host, "port": self.port, "virtualhost": self.vhost, "login": self.username,
            "password": self.password.reveal(), "ssl": self.tls is not None,
            "heartbeat": max(1, round(self.heartbeat)),
        }  # fmt: skip

    def context(self) -> ssl.SSLContext | None:
        """The TLS context; raises ``ConfigError`` for files that cannot be used."""
        if self.tls is None:
            return None
        with _usable("ca", self.tls.ca):
            context = ssl.create_default_context(cafile=self.tls.ca)
        # RFC 9525, section 6.3: a common name identifies nobody.
        context.hostname_checks_common_name = False
        if self.tls.certificate:
            with _usable("certificate and key", self.tls.certificate):
                context.load_cert_chain(self.tls.certificate, self.tls.key)
        if self.tls.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@contextmanager
def _usable(what: str, path: Path | None) -> Iterator[None]:
    try:
        yield
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            f"tls.{what}: {path} is no PEM file that can be used: {reason}",
            help="it has to hold what it is for, and be readable",
        ) from error


def _with_tls_port(values: Any) -> Any:
    if isinstance(values, dict) and values.get("tls") is not None and "port" not in values:
        return {**values, "port": _PORTS["amqps"]}
    return values


def _parts(url: Any, tls: Any) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, AttributeError, TypeError):
        raise ValueError("url is no amqp:// or amqps:// URL") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("url is no amqp:// or amqps:// URL")
    if parts.query or parts.fragment:
        raise ValueError("url has a query; give those settings their own keys")
    secure = parts.scheme == "amqps" or tls is not None
    found: dict[str, Any] = {"host": parts.hostname, "vhost": unquote(parts.path[1:]) or "/"}
    found["port"] = port or _PORTS["amqps" if secure else "amqp"]
    found["tls"] = (tls if tls is not None else {}) if secure else None
    if parts.username:
        found["username"] = unquote(parts.username)
    if parts.password is not None:
        found["password"] = Secret(unquote(parts.password))
    return found


class AmqpSource(Connection, EnvelopeSource):
    """A queue of RabbitMQ."""

    queue: Annotated[str, Field(min_length=1, max_length=255)]
    """Queue to consume. It is never created unless ``declare`` says so."""
    batch: Count = 500
    """Most messages in one batch. A batch is never waited for: what is there is given."""
    prefetch: Annotated[int, Field(strict=True, ge=1, le=65535)] = 2000
    """How many messages may wait unsettled; at least twice ``batch``. This is the back-pressure."""
    declare: Declare | None = None
    """Declare the queue at start."""
    idle: Duration = Field(default=2.0, gt=0)
    """A bounded read ends after this time without a message."""
    delivery_limit: Count | None = None
    """``x-delivery-limit`` of the queue, which clients cannot ask for; known when ``declare`` sets it."""
    ack_timeout: Duration = Field(default=1800.0, gt=0)
    """``consumer_timeout`` of the broker: how long it waits for an acknowledgement."""

    @model_validator(mode="after")
    def _enough(self) -> "AmqpSource":
        if self.prefetch < 2 * self.batch:
            raise ValueError("prefetch is less than twice batch")
        return self

    @property
    def target(self) -> str:
        return f"queue {self.queue!r}"

    @property
    def reads(self) -> Sequence[str]:
        """What it takes messages from, as URIs."""
        return (self.resource("queue", self.queue),)

    @property
    def consumer(self) -> str:
        """Whom it shares messages with: every consumer of a queue gets a part of them."""
        return self.queue

    @property
    def limit(self) -> int | None:
        """Deliveries before the broker gives a message up; None when unknown."""
        declared = self.declare.arguments.get("x-delivery-limit") if self.declare else None
        return self.delivery_limit or (declared if isinstance(declared, int) else None)


class AmqpSink(Connection, EnvelopeSink):
    """An exchange of RabbitMQ."""

    exchange: Short = ""
    """Exchange to publish to; empty is the default one, where the routing key names a queue."""
    routing_key: Short = ""
    """Routing key of every message, or a template."""
    mandatory: bool = True
    """A message no queue is bound for is refused instead of dropped by the broker."""
    persistent: bool = True
    """Messages survive a restart of the broker, native transient ones included. Off: native
    messages keep their mode and others are transient."""
    prefix: Prefix = "ce-"
    """What attribute names are written with. All known prefixes are read."""
    declare: Declare | None = None
    """Declare the queue named by ``routing_key`` at start; only with the default exchange."""
    max_message: Size = Field(default=128 * 2**20, gt=0)
    """Body above which an event is refused; ``max_message_size`` of the broker (16MiB from RabbitMQ 4.0)."""
    window: Count = 4000
    """Messages that may wait for the broker's confirm before ``write`` waits."""

    @model_validator(mode="after")
    def _target(self) -> "AmqpSink":
        if not self.exchange and not self.routing_key:
            raise ValueError("give an exchange or a routing_key")
        fixed = not self.exchange and not is_template(self.routing_key)
        if self.declare is not None and not fixed:
            raise ValueError("declare needs the default exchange and a fixed routing_key")
        for name in ("exchange", "routing_key"):
            text = getattr(self, name)
            if "\0" in text or len(text.encode("utf-8", "replace")) > 255:
                raise ValueError(f"{name} holds a NUL or is longer than 255 bytes")
        return self

    @property
    def target(self) -> str:
        return f"exchange {self.exchange!r}" if self.exchange else f"queue {self.routing_key!r}"

    @property
    def writes(self) -> Sequence[str]:
        """Where it puts messages, as URIs: the default exchange is the queues themselves."""
        if self.exchange:
            return (self.resource("exchange", self.exchange),)
        return (self.resource("queue", self.routing_key),)


def from_url(url: str) -> Mapping[str, Any]:
    """Settings from ``amqp://user:pass@host/vhost?queue=q`` or ``?exchange=e&routing_key=k``."""
    bare, _, query = url.partition("?")
    known = {"queue", "exchange", "routing_key"}
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in known:
            raise ConfigError(
                f"amqp: unknown option {name[:40]!r}", help=f"known: {', '.join(sorted(known))}"
            )
    if not options:
        raise ConfigError("amqp: the address names no queue", help="amqp://host/vhost?queue=NAME")
    return {"url": Secret(bare), **options}

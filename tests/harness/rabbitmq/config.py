"""The files and the environment of one node."""

from dataclasses import dataclass
from pathlib import Path

from harness.certificates import Certificates

_PLUGINS = ("rabbitmq_management", "rabbitmq_consistent_hash_exchange", "rabbitmq_shovel", "rabbitmq_stream")
_MEMORY_LIMIT = "1GB"


@dataclass(frozen=True)
class Ports:
    """Loopback ports of one node; `tools` is what rabbitmqctl uses for itself."""

    amqp: int
    tls: int
    management: int
    stream: int
    distribution: int
    tools: int
    epmd: int


def write_files(folder: Path, ports: Ports, certificates: Certificates) -> None:
    """Write rabbitmq.conf and enabled_plugins, and make the folders."""
    for name in ("mnesia", "log", "schema", "config"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "enabled_plugins").write_text(f"[{','.join(_PLUGINS)}].\n")
    settings = _settings(ports, certificates)
    (folder / "rabbitmq.conf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))


def _settings(ports: Ports, certificates: Certificates) -> dict[str, object]:
    return {
        "listeners.tcp.1": f"127.0.0.1:{ports.amqp}",
        "listeners.ssl.1": f"127.0.0.1:{ports.tls}",
        "ssl_options.cacertfile": certificates.authority,
        "ssl_options.certfile": certificates.certificate,
        "ssl_options.keyfile": certificates.key,
        "ssl_options.verify": "verify_none",
        "ssl_options.fail_if_no_peer_cert": "false",
        "management.tcp.ip": "127.0.0.1",
        "management.tcp.port": ports.management,
        "stream.listeners.tcp.1": f"127.0.0.1:{ports.stream}",
        "stream.advertised_host": "127.0.0.1",
        "stream.advertised_port": ports.stream,
        "disk_free_limit.absolute": "50MB",
        "vm_memory_high_watermark.absolute": _MEMORY_LIMIT,
        "log.file.level": "info",
    }


def environment(folder: Path, ports: Ports) -> dict[str, str]:
    """Everything the node's scripts would otherwise look for in the system's folders."""
    return {
        # The Erlang cookie is made in HOME, so two nodes never share one by accident.
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(ports.epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        # Makes the script become the Erlang machine instead of its parent, so that its pid is the node's.
        "RUNNING_UNDER_SYSTEMD": "true",
        "RABBITMQ_NODENAME": f"span{ports.amqp}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports.amqp),
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "RABBITMQ_CTL_DIST_PORT_MIN": str(ports.tools),
        "RABBITMQ_CTL_DIST_PORT_MAX": str(ports.tools),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
        # Loopback for the distribution too, and schedulers that sleep instead of spinning on two cores.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
        ),
    }


MEMORY_LIMIT_BYTES = "1000000000"
"""The same limit in the form rabbitmqctl takes."""

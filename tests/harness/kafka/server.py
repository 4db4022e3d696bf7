"""One Kafka node of our own: started, stopped, killed and started again on the same data."""

import subprocess
from pathlib import Path

from harness.certificates import make_certificates
from harness.errors import StartFailed
from harness.jdk import find_jdk
from harness.kafka.address import KafkaAddress, SecureListener
from harness.kafka.jars import class_path, is_cached
from harness.kafka.metadata import live_brokers
from harness.kafka.properties import Listeners, properties, security
from harness.ports import claim, free_ports
from harness.process import Child
from harness.waiting import until_ready

VERSION = "4.3.1"
JAVA = 17
_CLUSTER = "ZXZlbnRzcGFuLXRlc3QtMQ"
_LOGGING = Path(__file__).with_name("log4j2.properties")
# Quick to start and small; the throughput of a long run would want the second compiler.
_JVM = (
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Xss512k",
    "-XX:-UsePerfData",
)
_PLAIN = {"admin": "admin-password", "alice": "alice-password", "bob": "bob-password"}
_SCRAM = {"dora": "dora-password"}


def can_start() -> bool:
    """Whether a node could be started without downloading anything."""
    return is_cached(VERSION)


class KafkaServer:
    """A node in `folder`; its ports stay the same over restarts.

    `heap` is the JVM's, as `256m`; `jvm` replaces the options for a quick start (for measurements).
    `proxied` adds a plain listener: its port, and the port of a proxy before it that its clients are told.
    """

    def __init__(
        self,
        folder: Path,
        *,
        heap: str = "256m",
        jvm: tuple[str, ...] = _JVM,
        proxied: tuple[int, int] | None = None,
    ) -> None:
        self._folder = folder
        self._java: list[str | Path] = [
            find_jdk(JAVA).java,
            f"-Xmx{heap}",
            *jvm,
            f"-Dlog4j2.configurationFile={_LOGGING}",
        ]
        self._java += ["-cp", class_path(VERSION)]
        plain, controller, secure = free_ports(3)
        self._listeners = Listeners(plain, controller, secure, proxied)
        self._config = folder / "server.properties"
        self._child = Child([*self._java, "kafka.Kafka", self._config], folder / "kafka.log")
        self.bootstrap = f"127.0.0.1:{self._listeners.plain}"
        self.secure = SecureListener(
            f"127.0.0.1:{self._listeners.secure}", folder / "tls" / "ca.pem", _PLAIN, _SCRAM
        )

    @property
    def address(self) -> KafkaAddress:
        return KafkaAddress(self.bootstrap, self.secure)

    @property
    def version(self) -> str:
        return VERSION

    @property
    def pid(self) -> int:
        return self._child.pid

    def start(self, timeout: float = 90.0) -> None:
        """Start, and return when the broker serves; StartFailed carries its log."""
        if not self._config.exists():
            self._prepare()
        for port in (self._listeners.plain, self._listeners.controller, self._listeners.secure):
            claim(port)  # a stale server there would be taken for this one
        self._child.start()
        until_ready(self._child, lambda: live_brokers(self._listeners.plain) > 0, timeout)

    def stop(self) -> None:
        """SIGTERM and wait."""
        self._child.stop()

    def kill9(self) -> None:
        """SIGKILL and wait until the process is gone."""
        self._child.kill()

    def restart(self) -> None:
        """Stop in good order and start on the same data."""
        self.stop()
        self.start()

    def _prepare(self) -> None:
        """Certificates, configuration, and a formatted log folder with the SCRAM users in it."""
        certificates = make_certificates(self._folder / "tls")
        text = properties(self._listeners, self._folder / "data", security(certificates, _PLAIN))
        command = [*self._java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", self._config]
        for name, password in _SCRAM.items():
            command += ["--add-scram", f"SCRAM-SHA-256=[name={name},password={password}]"]
        self._config.write_text(text)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            self._config.unlink()
            raise StartFailed(f"the log folder could not be formatted:\n{done.stdout}{done.stderr}")

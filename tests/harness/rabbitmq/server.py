"""One RabbitMQ node of our own: started, stopped, killed and started again on the same data."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from harness.certificates import make_certificates
from harness.errors import Unavailable
from harness.ports import claim, free_ports
from harness.process import Child
from harness.rabbitmq.address import RabbitAddress
from harness.rabbitmq.config import MEMORY_LIMIT_BYTES, Ports, environment, write_files
from harness.rabbitmq.management import Management
from harness.waiting import until_ready

# The wrapper in /usr/sbin changes the user and fixes the folders; these are the server's own scripts.
_SCRIPTS = Path("/usr/lib/rabbitmq/bin")
_READY = b"completed with"


def can_start() -> bool:
    """Whether a server is installed."""
    return (_SCRIPTS / "rabbitmq-server").exists() and shutil.which("epmd") is not None


class RabbitServer:
    """A node in `folder`; its ports stay the same over restarts."""

    def __init__(self, folder: Path) -> None:
        if not can_start():
            raise Unavailable(
                "RabbitMQ is needed: apt-get install rabbitmq-server (it brings Erlang's epmd too)"
            )
        self._folder = folder
        self._ports = Ports(*free_ports(7))
        self._env = environment(folder, self._ports)
        epmd = [str(shutil.which("epmd")), "-port", str(self._ports.epmd), "-address", "127.0.0.1"]
        # Started by us, because the one a node starts by itself outlives the node.
        self._epmd = Child(epmd, folder / "epmd.log", self._env)
        self._node = Child([_SCRIPTS / "rabbitmq-server"], folder / "start.log", self._env)
        self.url = f"amqp://guest:guest@127.0.0.1:{self._ports.amqp}/"
        self.tls_url = f"amqps://guest:guest@127.0.0.1:{self._ports.tls}/"
        self.authority = folder / "tls" / "ca.pem"
        self.management = Management(f"http://guest:guest@127.0.0.1:{self._ports.management}")

    @property
    def address(self) -> RabbitAddress:
        return RabbitAddress(self.url, self.management, self.tls_url, self.authority)

    @property
    def pid(self) -> int:
        return self._node.pid

    @property
    def version(self) -> str:
        return self.management.version()

    def start(self, timeout: float = 120.0) -> None:
        """Start, and return when plug-ins and listeners are up; StartFailed carries the log."""
        if not (self._folder / "rabbitmq.conf").exists():
            write_files(self._folder, self._ports, make_certificates(self._folder / "tls"))
        for port in (self._ports.amqp, self._ports.tls, self._ports.management, self._ports.distribution):
            claim(port)  # a stale server there would be taken for this one
        if not self._epmd.running:
            self._epmd.start()
            until_ready(self._epmd, lambda: _listens(self._ports.epmd), 20.0)
        self._node.log.unlink(missing_ok=True)
        self._node.start()
        until_ready(self._node, self._is_ready, timeout)

    def stop(self) -> None:
        """SIGTERM to the Erlang machine, wait, and end epmd."""
        self._node.stop(60.0)
        self._epmd.stop()

    def kill9(self) -> None:
        """SIGKILL to the node and its helpers, and wait until they are gone; epmd stays for the restart."""
        self._node.kill()

    def restart(self) -> None:
        """Stop in good order and start on the same data."""
        self.stop()
        self.start()

    def sync_definitions(self) -> None:
        """Bring what was declared so far to disk.

        The node writes queues, exchanges and bindings up to seconds after it has confirmed them: a queue
        declared just before kill -9 is lost, together with the confirmed messages in it. The register of
        quorum queues is a table of its own; one that is missing there comes back empty, and never has a
        leader.
        """
        self.control("eval", "mnesia:sync_log(), [ok = dets:sync(Table) || Table <- dets:all()].")

    def close_connections(self, reason: str = "closed by a test") -> None:
        """Close every client's connection from the broker's side (320, CONNECTION_FORCED)."""
        self.control("close_all_connections", reason)

    def set_memory_alarm(self) -> None:
        """Block all publishers as a broker short of memory does."""
        self.control("set_vm_memory_high_watermark", "0.00001")

    def clear_memory_alarm(self) -> None:
        self.control("set_vm_memory_high_watermark", "absolute", MEMORY_LIMIT_BYTES)

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl, about a second a call, and give what it prints."""
        command = [str(_SCRIPTS / "rabbitmqctl"), "-q", *arguments]
        env = {**os.environ, **self._env}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    def _is_ready(self) -> bool:
        log = self._node.log
        return log.exists() and _READY in log.read_bytes() and _listens(self._ports.amqp)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True

"""Loopback ports that stay ours while a server is down.

Ports of the ephemeral range are avoided: while a killed server is away, a client that keeps connecting
could be given the very port it connects to as its own, connect to itself and keep the server from its port.
"""

import random
import socket
import threading
from itertools import islice
from pathlib import Path

_LOWEST = 15_000
_given: set[int] = set()
"""Servers start in threads of one process: a port picked and not bound yet must not be picked again."""
_picking = threading.Lock()
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def _below_ephemeral() -> int:
    """First port of the range the kernel hands out to clients."""
    return int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 32_768


def claim(port: int) -> None:
    """Bind `port` on loopback once; OSError says that something listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def _is_free(port: int) -> bool:
    try:
        claim(port)
    except OSError:
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Distinct ports, free at this moment, picked at random so that parallel runs seldom meet."""
    candidates = range(_LOWEST, max(_below_ephemeral(), _LOWEST + 5_000))
    shuffled = random.sample(candidates, len(candidates))
    with _picking:
        found = list(islice((port for port in shuffled if port not in _given and _is_free(port)), count))
        _given.update(found)
    if len(found) < count:
        raise OSError(f"{count} free loopback ports wanted, {len(found)} found")
    return found

"""Loopback ports that stay ours while a server is down.

Ports of the ephemeral range are avoided: while a killed server is away, a client that keeps connecting
could be given the very port it connects to as its own, connect to itself and keep the server from its port.
"""

import random
import socket
from pathlib import Path

_LOWEST = 15_000
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
    found: list[int] = []
    for port in random.sample(candidates, len(candidates)):
        if _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"{count} free loopback ports wanted, {len(found)} found")

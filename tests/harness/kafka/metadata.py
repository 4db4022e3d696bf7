"""The readiness probe: a Metadata request on a plain socket.

An open port is not a ready broker: it opens before the controller lets the broker serve.
"""

import socket
import struct

_METADATA_V1 = struct.pack(">hhihi", 3, 1, 1, -1, 0)
"""Request header (key, version, correlation id, no client id) and an empty list of topics."""


def live_brokers(port: int, timeout: float = 2.0) -> int:
    """How many brokers the answer names; 0 when nothing answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            connection.sendall(struct.pack(">i", len(_METADATA_V1)) + _METADATA_V1)
            # Size, correlation id, number of brokers.
            head = _exactly(connection, 12)
    except OSError:
        return 0
    return int(struct.unpack(">iii", head)[2])


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError("closed before the answer was complete")
        received += part
    return received

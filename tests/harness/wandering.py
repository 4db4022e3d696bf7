"""A Kafka broker that is there, and says of itself that it is somewhere else."""

import socket
import struct

from harness.impostor import Answer

_API_VERSIONS, _METADATA, _FIND_COORDINATOR = 18, 3, 10
_UNSUPPORTED_VERSION = 35
_SPOKEN = {0: 7, 1: 4, 2: 1, _METADATA: 1, 8: 2, 9: 1, _FIND_COORDINATOR: 0, 11: 0, 12: 0, 13: 0, 14: 0,
           _API_VERSIONS: 0, 22: 0}  # fmt: skip
"""The highest version of each request that it offers; it answers three of them."""


def advertising(host: str, port: int, topic: str) -> Answer:
    """Leader of the one partition of `topic`, and coordinator of every group, at that address."""
    place = _text(host) + struct.pack(">i", port)

    def answer(connection: socket.socket) -> None:
        with connection.makefile("rb") as requests:
            while size := requests.read(4):
                request = requests.read(*struct.unpack(">i", size))
                kind, version, correlation = struct.unpack(">hhi", request[:8])
                body = _body(kind, version, place, topic)
                if body is not None:
                    connection.sendall(struct.pack(">ii", len(body) + 4, correlation) + body)

    return answer


def _body(kind: int, version: int, place: bytes, topic: str) -> bytes | None:
    if kind == _API_VERSIONS:
        spoken = b"".join(struct.pack(">hhh", key, 0, highest) for key, highest in _SPOKEN.items())
        error = _UNSUPPORTED_VERSION if version else 0
        return struct.pack(">hi", error, len(_SPOKEN)) + spoken
    if kind == _METADATA:
        # One broker, without a rack, that is controller and leads partition 0 alone.
        brokers = struct.pack(">ii", 1, 1) + place + struct.pack(">hi", -1, 1)
        partition = struct.pack(">hiiiiii", 0, 0, 1, 1, 1, 1, 1)
        return brokers + struct.pack(">ih", 1, 0) + _text(topic) + struct.pack(">?i", False, 1) + partition
    return struct.pack(">hi", 0, 1) + place if kind == _FIND_COORDINATOR else None


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()

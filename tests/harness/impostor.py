"""Servers on loopback that are not what they should be: they send what they like, say nothing, or end."""

import socket
import ssl
import struct
import subprocess
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Self

Answer = Callable[[socket.socket], None]
_TIMEOUT = 20.0


class Impostor:
    """Listens on loopback and treats every connection with `answer`; ends with the block."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, name="impostor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(_TIMEOUT)
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            connection.settimeout(_TIMEOUT)
            threading.Thread(target=self._treat, args=(connection,), daemon=True).start()

    def _treat(self, connection: socket.socket) -> None:
        try:
            self._answer(connection)
        except OSError:
            connection.close()
        else:
            self._open.append(connection)


def silent(connection: socket.socket) -> None:
    """Accept, and say nothing."""


def shut(connection: socket.socket) -> None:
    """End at once."""
    connection.close()


def cut(connection: socket.socket) -> None:
    """Go in the middle of the handshake: the client has said hello, and half an answer has come."""
    connection.recv(65536)
    connection.sendall(bytes([22, 3, 3, 0, 200]) + bytes(20))
    connection.close()


def web(connection: socket.socket) -> None:
    """Answer as a web server does."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html>no</html>")
    connection.close()


def huge_kafka(connection: socket.socket) -> None:
    """Announce an answer of 2 GiB."""
    connection.recv(65536)
    connection.sendall(struct.pack(">i", 2**31 - 1) + bytes(1000))


def negative_kafka(connection: socket.socket) -> None:
    """Announce an answer of less than nothing."""
    connection.recv(65536)
    connection.sendall(struct.pack(">i", -2) + bytes(1000))


def foreign_kafka(connection: socket.socket) -> None:
    """Answer a request that was never sent."""
    connection.recv(65536)
    connection.sendall(struct.pack(">iih", 6, 0x7FFFFFF0, 0))


def huge_amqp(connection: socket.socket) -> None:
    """Announce a frame of 2 GiB."""
    connection.recv(65536)
    connection.sendall(struct.pack(">BHI", 1, 0, 2**31 - 1) + bytes(1000))


def noise(connection: socket.socket) -> None:
    """Send what is in no protocol."""
    connection.recv(65536)
    connection.sendall(bytes(range(256)) * 16)


_CA = """\
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
unique_subject = no
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:{0}
"""


def certificate(
    folder: Path, name: str, begin: str = "20200101000000Z", end: str = "20990101000000Z"
) -> Path:
    """A certificate for `name`, signed by itself, and its key, in one file."""
    folder.mkdir(exist_ok=True)
    (folder / "ca.cnf").write_text(_CA.format(name))
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("01\n")
    key = f"openssl req -new -newkey rsa:2048 -nodes -subj /CN={name} -keyout key.pem -out csr.pem"
    sign = "openssl ca -selfsign -batch -config ca.cnf -notext -keyfile key.pem -in csr.pem"
    for command in (key, f"{sign} -out only.pem -startdate {begin} -enddate {end}"):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True, timeout=60)
    path = folder / "server.pem"
    path.write_bytes((folder / "key.pem").read_bytes() + (folder / "only.pem").read_bytes())
    return path


def tls(path: Path, key: Path | None = None, *, version: ssl.TLSVersion | None = None) -> Answer:
    """Offer a certificate, however weak, and that version alone, and say nothing behind it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(path, key)
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            while secured.recv(65536):
                pass

    return answer

"""A certificate authority and a server certificate for loopback, made anew by openssl for each server."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Unavailable

_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1\n"


@dataclass(frozen=True)
class Certificates:
    """PEM files: what clients trust, and the server's certificate and PKCS#8 key."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path, *, digest: str = "sha256", names: str = _NAMES) -> Certificates:
    """Make them in `folder`, valid for 30 days; those that are there already are used again.

    The server's is signed with `digest`; its common name is localhost, and the rest is in `names`, lines
    of extensions as openssl reads them.
    """
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    if not made.certificate.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "names").write_text(names)
        for arguments in (*_REQUESTS, f"{_SIGN} -{digest}"):
            _openssl(arguments, folder)
    return made


_REQUESTS = (
    "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=test-authority -keyout ca.key -out ca.pem",
    "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
)
_SIGN = (
    "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30"
    " -extfile names -out server.pem"
)


def _openssl(arguments: str, folder: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Unavailable("openssl is needed for the TLS listeners and is not on PATH")
    command = [openssl, *arguments.split()]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)

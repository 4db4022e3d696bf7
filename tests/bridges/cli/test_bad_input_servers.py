"""Hosts that are not there, and servers that are something else: the side is named, and no secret told."""

import os
import shutil
import signal
import ssl
from pathlib import Path
from typing import Any

import pytest

from harness.answer import Running, assert_nowhere, assert_quiet, canary
from harness.certificates import Certificates, make_certificates
from harness.faulty import INPUT, OUTPUT, bridge, halts, write_events
from harness.impostor import (
    Answer,
    Impostor,
    certificate,
    cut,
    foreign_kafka,
    huge_amqp,
    huge_kafka,
    negative_kafka,
    noise,
    shut,
    silent,
    tls,
    web,
)
from harness.wandering import advertising

Settings = dict[str, Any]
NAMED_SECS = 3.0
"""Seconds from the start of the process to the line that names the side, on a machine that is busy."""


def ends(kind: str, side: str, host: str, port: int, secret: str, tls: Settings | bool = False) -> Settings:
    """Settings of one side that logs in."""
    if kind == "amqp":
        scheme = "amqps" if tls else "amqp"
        settings: Settings = {"type": "amqp", "url": f"{scheme}://shop:p%40{secret}@{host}:{port}/"}
        settings |= {"tls": tls} if isinstance(tls, dict) else {}
        return settings | ({"queue": "orders"} if side == "source" else {"routing_key": "orders"})
    sasl = {"mechanism": "SCRAM-SHA-256", "username": "shop", "password": f"p@{secret}"}
    settings = {"type": "kafka", "servers": [f"{host}:{port}"], "sasl": sasl, "tls": tls}
    return settings | ({"topics": ["orders"], "group": "shop"} if side == "source" else {"topic": "orders"})


def placed(folder: Path, side: str, settings: Settings) -> Path:
    """A bridge that has these settings on that side, and a file on the other; events wait in the file."""
    write_events(folder)
    return bridge(folder, settings, OUTPUT) if side == "source" else bridge(folder, INPUT, settings)


def name_of(side: str) -> str:
    return "source" if side == "source" else "sinks.sink"


def goes_on_trying(folder: Path, path: Path, side: str, *words: str, within: float, secret: str) -> None:
    """The side is named soon, once for the same reason; it is tried again until a signal ends it in order."""
    with Running(folder, "run", path, "--state", folder / "state") as running:
        took = running.says(f" orders {side} retrying: NotConnected: ", *words)
        assert took < within, took
        status = running.stopped()
        assert status in (0, 3), running.text
        assert_quiet(running.text, [secret])
    path.unlink()
    assert_nowhere(folder, [secret])


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize("kind", ["amqp", "kafka"])
class TestUnreachable:
    """Nobody is there at all."""

    def test_nobody_listens(self, tmp_path: Path, unused_tcp_port: int, kind: str, side: str) -> None:
        secret = canary()
        path = placed(tmp_path, side, ends(kind, side, "127.0.0.1", unused_tcp_port, secret))
        words = (f"127.0.0.1:{unused_tcp_port}", "refused")
        goes_on_trying(tmp_path, path, name_of(side), *words, within=NAMED_SECS, secret=secret)

    def test_the_name_does_not_resolve(self, tmp_path: Path, kind: str, side: str) -> None:
        secret = canary()
        path = placed(tmp_path, side, ends(kind, side, "broker.invalid", 9092, secret))
        goes_on_trying(tmp_path, path, name_of(side), "broker.invalid", within=NAMED_SECS, secret=secret)


IMPOSTORS: list[tuple[str, str, Answer]] = [
    ("amqp", "ends at once", shut),
    ("amqp", "a web server", web),
    ("amqp", "a frame of 2 GiB", huge_amqp),
    ("amqp", "noise", noise),
    ("amqp", "silent", silent),
    ("kafka", "ends at once", shut),
    ("kafka", "a web server", web),
    ("kafka", "an answer of 2 GiB", huge_kafka),
    ("kafka", "an answer below zero", negative_kafka),
    ("kafka", "an answer to nobody", foreign_kafka),
    ("kafka", "noise", noise),
    ("kafka", "silent", silent),
]


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize(
    ("kind", "answer"), [(i[0], i[2]) for i in IMPOSTORS], ids=[" ".join(i[:2]) for i in IMPOSTORS]
)
def test_a_server_of_another_kind(tmp_path: Path, kind: str, answer: Answer, side: str) -> None:
    secret = canary()
    with Impostor(answer) as server:
        settings = ends(kind, side, "127.0.0.1", server.port, secret)
        settings |= {"connect_timeout": "1s"} if kind == "amqp" else {}
        path = placed(tmp_path, side, settings)
        # A server that may be about to start is given the time it is promised.
        within = NAMED_SECS + (5 if kind == "kafka" or answer is silent else 0)
        goes_on_trying(tmp_path, path, name_of(side), str(server.port), within=within, secret=secret)
        assert server.connections > 0


CERTIFICATES = {
    "expired": ("localhost", "20200101000000Z", "20200102000000Z", "own"),
    "not valid yet": ("localhost", "20980101000000Z", "20990101000000Z", "own"),
    "of another host": ("elsewhere.example", "20200101000000Z", "20990101000000Z", "own"),
    "signed by itself": ("localhost", "20200101000000Z", "20990101000000Z", "system"),
}


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize("kind", ["amqp", "kafka"])
@pytest.mark.parametrize(("name", "begin", "end", "trusted"), CERTIFICATES.values(), ids=CERTIFICATES.keys())
def test_a_certificate_that_proves_nothing(
    tmp_path: Path, name: str, begin: str, end: str, trusted: str, kind: str, side: str
) -> None:
    secret = canary()
    pem = certificate(tmp_path / "tls", name, begin, end)
    trust: Settings | bool = {"ca": str(tmp_path / "tls" / "only.pem")} if trusted == "own" else True
    with Impostor(tls(pem)) as server:
        path = placed(tmp_path, side, ends(kind, side, "localhost", server.port, secret, trust))
        halts(tmp_path, path, name_of(side), f"localhost:{server.port}", "TLS", secrets=[secret])


@pytest.mark.parametrize("kind", ["amqp", "kafka"])
def test_a_file_of_authorities_that_is_none(tmp_path: Path, kind: str) -> None:
    secret = canary()
    (tmp_path / "ca.pem").write_text(f"no certificate but {secret}")
    for name in ("ca.pem", "none.pem"):
        settings = ends(kind, "source", "localhost", 1, secret, {"ca": str(tmp_path / name)})
        path = placed(tmp_path, "source", settings)
        halts(tmp_path, path, "source", "tls", secrets=[secret])


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize("host", ["localhost", "192.0.2.1"], ids=["loopback", "an address nobody has"])
def test_a_broker_that_advertises_another_address(
    tmp_path: Path, unused_tcp_port: int, host: str, side: str
) -> None:
    with Impostor(advertising(host, unused_tcp_port, "orders")) as server:
        where = {"type": "kafka", "servers": [f"127.0.0.1:{server.port}"]}
        more = {"topics": ["orders"], "group": "shop"} if side == "source" else {"topic": "orders"}
        path = placed(tmp_path, side, where | more)
        words = (f"127.0.0.1:{server.port}", f"{host}:{unused_tcp_port}", "advertise")
        goes_on_trying(tmp_path, path, name_of(side), *words, within=NAMED_SECS + 10, secret=canary())


def refuses(folder: Path, answer: Answer, made: Certificates, kind: str, side: str) -> None:
    """A server behind TLS that nobody may talk to, although its authority is trusted."""
    secret = canary()
    with Impostor(answer) as server:
        trust: Settings = {"ca": str(made.authority)}
        path = placed(folder, side, ends(kind, side, "localhost", server.port, secret, trust))
        halts(folder, path, name_of(side), f"localhost:{server.port}", "TLS", secrets=[secret])


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize("kind", ["amqp", "kafka"])
def test_a_signature_by_sha_1(tmp_path: Path, kind: str, side: str) -> None:
    made = make_certificates(tmp_path / "tls", digest="sha1")
    refuses(tmp_path, tls(made.certificate, made.key), made, kind, side)


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize("kind", ["amqp", "kafka"])
def test_a_server_that_speaks_tls_1_0_only(tmp_path: Path, kind: str, side: str) -> None:
    made = make_certificates(tmp_path / "tls")
    refuses(tmp_path, tls(made.certificate, made.key, version=ssl.TLSVersion.TLSv1), made, kind, side)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_certificate_without_alternative_names(tmp_path: Path, side: str) -> None:
    """Refused where the client can insist on them; librdkafka offers no way to."""
    made = make_certificates(tmp_path / "tls", names="")
    refuses(tmp_path, tls(made.certificate, made.key), made, "amqp", side)


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize("kind", ["amqp", "kafka"])
def test_a_handshake_that_is_cut(tmp_path: Path, kind: str, side: str) -> None:
    secret = canary()
    with Impostor(cut) as server:
        path = placed(tmp_path, side, ends(kind, side, "localhost", server.port, secret, tls=True))
        words = (f"localhost:{server.port}", "cannot be reached" if kind == "amqp" else "TLS")
        goes_on_trying(tmp_path, path, name_of(side), *words, within=NAMED_SECS + 5, secret=secret)


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize("kind", ["amqp", "kafka"])
def test_an_authority_that_is_renewed(tmp_path: Path, kind: str, side: str) -> None:
    """Whoever put the new file there sends SIGHUP, and the halted side reads it and goes on."""
    former, renewed = (make_certificates(tmp_path / name) for name in ("former", "renewed"))
    trusted = tmp_path / "ca.pem"
    shutil.copy(former.authority, trusted)
    with Impostor(tls(renewed.certificate, renewed.key)) as server:
        settings = ends(kind, side, "localhost", server.port, canary(), {"ca": str(trusted)})
        settings |= {"connect_timeout": "1s"} if kind == "amqp" else {}
        path = placed(tmp_path, side, settings)
        with Running(tmp_path, "run", path, "--state", tmp_path / "state") as running:
            running.says(f" orders {name_of(side)} halted: Halted: ", "TLS")
            shutil.copy(renewed.authority, trusted)
            os.kill(running.pid, signal.SIGHUP)
            running.says(f" orders {name_of(side)} retrying: NotConnected: ", str(server.port))

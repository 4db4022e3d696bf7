"""Certificates that are fine, and all the ways in which they are not."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from eventspan import ConfigError, Context, EventspanError, Halted, NotConnected
from eventspan_connectors.amqp import connector
from harness.certificates import Certificates, make_certificates
from harness.rabbitmq import RabbitServer

assert connector.source is not None
SOURCE = connector.source
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, and a certificate of it for localhost and 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def server(made: Certificates | None, host: str, answer: Answer) -> AsyncIterator[int]:
    context = None
    if made is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(made.certificate, made.key)
    listening = await asyncio.start_server(answer, host, 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def refusal(url: str, **tls: Any) -> EventspanError:
    """What connecting there raises."""
    end = SOURCE.build(SOURCE.settings(url=url, queue="q", tls=tls, connect_timeout="3s"), Context())
    try:
        with pytest.raises((Halted, NotConnected)) as raised:
            await end.connect()
    finally:
        await end.close()
    assert url.rpartition("/")[0].removeprefix("amqps://") in str(raised.value)
    return raised.value


def self_signed(folder: Path) -> Certificates:
    found = Certificates(folder / "own.pem", folder / "own.pem", folder / "own.key")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["-keyout", str(found.key), "-out", str(found.certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *made]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return found


async def test_an_unknown_authority_halts(made: Certificates) -> None:
    async with server(made, "127.0.0.1", hang_up) as port:
        error = await refusal(f"amqps://127.0.0.1:{port}/")
    assert isinstance(error, Halted)
    assert "tls.ca" in (error.help or "")


async def test_a_certificate_it_signed_itself_halts(tmp_path: Path) -> None:
    async with server(self_signed(tmp_path), "127.0.0.1", hang_up) as port:
        error = await refusal(f"amqps://127.0.0.1:{port}/")
    assert isinstance(error, Halted)
    assert "self-signed" in str(error)


async def test_a_certificate_for_another_host_halts(made: Certificates) -> None:
    # All of 127/8 is this machine.
    async with server(made, "127.0.0.2", hang_up) as port:
        error = await refusal(f"amqps://127.0.0.2:{port}/", ca=made.authority)
    assert isinstance(error, Halted)
    assert "as its certificate does" in (error.help or "")


async def test_a_cut_in_the_handshake_is_tried_again(made: Certificates) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    async with server(None, "127.0.0.1", cut) as port:
        assert isinstance(await refusal(f"amqps://127.0.0.1:{port}/", ca=made.authority), NotConnected)


async def test_a_plain_port_is_no_tls_port(made: Certificates) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"AMQP\0\0\x09\x01")
        await reader.read()
        writer.close()

    async with server(None, "127.0.0.1", greet) as port:
        error = await refusal(f"amqps://127.0.0.1:{port}/", ca=made.authority)
    assert isinstance(error, NotConnected)
    assert "TLS" in f"{error} {error.help}"


@pytest.mark.parametrize("name", ["ca", "certificate"])
async def test_a_file_that_is_no_pem_is_a_fault_of_the_settings(name: str, tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("none")
    settings = SOURCE.settings(url="amqps://127.0.0.1:1/", queue="q", tls={name: tmp_path / "none.pem"})
    end = SOURCE.build(settings, Context())
    with pytest.raises(ConfigError, match="PEM"):
        await end.connect()
    await end.close()


@pytest.mark.broker("rabbitmq")
async def test_the_right_authority_is_all_it_takes(rabbitmq_own: RabbitServer, place: str) -> None:
    rabbitmq_own.management.call("PUT", f"queues/%2F/{place}", {"durable": True})
    settings = SOURCE.settings(url=rabbitmq_own.tls_url, queue=place, tls={"ca": rabbitmq_own.authority})
    end = SOURCE.build(settings, Context())
    await end.connect()
    await end.close()


@pytest.mark.broker("rabbitmq")
async def test_plain_amqp_at_the_tls_port_is_no_broker(rabbitmq_own: RabbitServer, place: str) -> None:
    url = rabbitmq_own.tls_url.replace("amqps://", "amqp://")
    end = SOURCE.build(SOURCE.settings(url=url, queue=place, connect_timeout="2s"), Context())
    with pytest.raises(NotConnected):
        await end.connect()
    await end.close()

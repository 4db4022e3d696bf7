"""A broker that is not there is not there at the second attempt either."""

import asyncio
import socket

import pytest

from eventspan import Context, NotConnected
from eventspan_connectors.amqp import connector
from harness.ports import free_ports


@pytest.mark.parametrize("kind", ["source", "sink"])
async def test_a_failed_connect_is_no_connection(kind: str) -> None:
    url = f"amqp://guest:guest@127.0.0.1:{free_ports(1)[0]}/"
    spec = connector.source if kind == "source" else connector.sink
    assert spec is not None
    name = "queue" if kind == "source" else "routing_key"
    end = spec.build(spec.settings.model_validate({"url": url, name: "q"}), Context())
    for _ in range(3):
        with pytest.raises(NotConnected):
            await end.connect()
    await end.close()


async def test_a_cancelled_connect_is_no_connection() -> None:
    silent = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    spec = connector.source
    assert spec is not None
    values = {"url": f"amqp://guest:guest@127.0.0.1:{port}/", "queue": "q", "connect_timeout": "300ms"}
    source = spec.build(spec.settings.model_validate(values), Context())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await source.connect()
    with pytest.raises(NotConnected):
        await source.connect()
    await source.close()
    silent.close()


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.parametrize("count", [0, 1_000])
async def test_a_name_with_no_address_or_many(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address is tried within the time a connection may take, and the name stands for all of them."""
    port = free_ports(1)[0]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * count
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)
    spec = connector.source
    assert spec is not None
    values = {"url": f"amqp://guest:guest@many.example:{port}/", "queue": "q", "connect_timeout": "2s"}
    source = spec.build(spec.settings.model_validate(values), Context())
    with pytest.raises(NotConnected, match=r"many\.example"):
        async with asyncio.timeout(5):
            await source.connect()
    await source.close()

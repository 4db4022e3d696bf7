"""A Kafka that may be killed and cut off, shared by the modules that do so."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from harness.errors import Unavailable
from harness.kafka import KafkaServer
from harness.ports import free_ports
from harness.proxy import Proxy


class Own(NamedTuple):
    """A server of our own and a proxy before its extra listener; each test leaves both well."""

    server: KafkaServer
    proxy: Proxy
    direct: str
    """The extra listener itself: it tells clients to come through the proxy."""

    @property
    def proxied(self) -> str:
        """The extra listener through the proxy."""
        return f"127.0.0.1:{self.proxy.port}"


@pytest.fixture(scope="package")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """Started once for the tests of this folder."""
    port = free_ports(1)[0]
    with Proxy("127.0.0.1", port) as proxy:
        try:
            server = KafkaServer(tmp_path_factory.mktemp("kafka"), proxied=(port, proxy.port))
        except Unavailable as missing:
            pytest.skip(str(missing))
        server.start()
        yield Own(server, proxy, f"127.0.0.1:{port}")
        server.kill9()
        server.stop()

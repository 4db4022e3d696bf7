"""The fault proxy does to a connection what it says, and counts it."""

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from harness.proxy import Direction, Fault, Proxy

_TIMEOUT = 5.0


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(65_536):
                self.request.sendall(data)
        except ConnectionError:
            return


class _EchoServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy in front of a server that sends back what it gets."""
    with _EchoServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with Proxy("127.0.0.1", server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()
        thread.join()


def _connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), _TIMEOUT)


def _echo(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return _exactly(connection, len(data))


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (part := connection.recv(size - len(received))):
        received += part
    return received


def test_forwards_every_byte(proxy: Proxy) -> None:
    data = bytes(range(256)) * 4_000
    received = bytearray()
    with _connect(proxy) as connection:
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        received += _exactly(connection, len(data))
        sender.join()
    assert received == data
    assert proxy.connections == 1
    assert not proxy.struck


def test_passes_the_end_of_one_direction_on(proxy: Proxy) -> None:
    with _connect(proxy) as connection:
        connection.sendall(b"last")
        connection.shutdown(socket.SHUT_WR)
        assert _exactly(connection, 4) == b"last"
        assert connection.recv(1) == b""


def test_latency_delays_each_way(proxy: Proxy) -> None:
    with _connect(proxy) as connection:
        proxy.latency(0.1)
        started = time.monotonic()
        assert _echo(connection, b"x") == b"x"
        assert time.monotonic() - started >= 0.2
    assert proxy.struck[Fault.LATENCY] == 2


def test_reset_breaks_open_connections_and_spares_new_ones(proxy: Proxy) -> None:
    with _connect(proxy) as connection:
        _echo(connection, b"x")
        assert proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with _connect(proxy) as connection:
        assert _echo(connection, b"y") == b"y"
    assert proxy.struck == {Fault.RESET: 1}


def test_black_hole_holds_and_heal_delivers(proxy: Proxy) -> None:
    with _connect(proxy) as connection:
        proxy.black_hole()
        connection.sendall(b"held")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(_TIMEOUT)
        proxy.heal()
        assert _exactly(connection, 4) == b"held"
    assert proxy.struck[Fault.BLACK_HOLE] == 1


def test_black_hole_of_answers_lets_the_request_through(proxy: Proxy) -> None:
    """What makes a confirm ambiguous: the server has acted and the client cannot know."""
    with _connect(proxy) as connection:
        proxy.black_hole(Direction.TO_CLIENT)
        connection.sendall(b"done")
        _until(lambda: proxy.struck[Fault.BLACK_HOLE] == 1)
        assert proxy.reset() == 1


def test_cut_delivers_exactly_the_bytes_allowed(proxy: Proxy) -> None:
    with _connect(proxy) as connection:
        _echo(connection, b"before")
        proxy.cut_after(3, Direction.TO_CLIENT)
        connection.sendall(b"abcdef")
        assert _exactly(connection, 6) == b"abc"
    assert proxy.struck == {Fault.CUT: 1}


def test_refuse_turns_new_connections_away(proxy: Proxy) -> None:
    with _connect(proxy) as open_before:
        _echo(open_before, b"x")
        proxy.refuse()
        assert _is_refused(proxy)
        assert _echo(open_before, b"y") == b"y"
    proxy.heal()
    with _connect(proxy) as connection:
        assert _echo(connection, b"z") == b"z"
    assert proxy.struck == {Fault.REFUSE: 1}


def test_nobody_listens_where_it_has_vanished(proxy: Proxy) -> None:
    with _connect(proxy) as open_before:
        _echo(open_before, b"x")
        proxy.vanish()
        with pytest.raises(ConnectionRefusedError):
            _connect(proxy)
        assert _echo(open_before, b"y") == b"y"
    proxy.heal()
    with _connect(proxy) as connection:
        assert _echo(connection, b"z") == b"z"


def test_a_server_that_is_away_is_a_reset(proxy: Proxy) -> None:
    with Proxy("127.0.0.1", proxy.port) as nested:
        proxy.stop()
        assert _is_refused(nested)


def test_stop_ends_a_connection_a_black_hole_holds(proxy: Proxy) -> None:
    with _connect(proxy) as connection:
        proxy.black_hole()
        connection.sendall(b"held")
        _until(lambda: proxy.struck[Fault.BLACK_HOLE] == 1)
        proxy.stop()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def _is_refused(proxy: Proxy) -> bool:
    try:
        with _connect(proxy) as connection:
            return connection.recv(1) == b""
    except ConnectionError:
        return True


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)

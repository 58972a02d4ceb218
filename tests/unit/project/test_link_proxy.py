"""The proxy of the tests: each fault of a link, and its end."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.links.proxy import LinkProxy


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while received := self.request.recv(100):
                self.request.sendall(received)
        except OSError:
            return


@pytest.fixture
def proxy() -> Iterator[LinkProxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with LinkProxy(*server.server_address) as proxy:  # type: ignore[arg-type]
                yield proxy
        finally:
            server.shutdown()
            thread.join()


def _connect(proxy: LinkProxy) -> socket.socket:
    client = socket.create_connection((proxy.host, proxy.port))
    client.settimeout(5.0)
    return client


def _echoes(client: socket.socket) -> bool:
    client.sendall(b"x")
    return client.recv(1) == b"x"


def _is_silent(client: socket.socket) -> bool:
    client.settimeout(0.1)
    try:
        client.sendall(b"y")
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5.0)
    return False


def test_frozen_links_deliver_everything_afterwards(proxy: LinkProxy) -> None:
    with _connect(proxy) as before:
        assert _echoes(before)
        proxy.freeze()
        with _connect(proxy) as during:
            assert _is_silent(before)
            assert _is_silent(during)
            proxy.restore()
            assert before.recv(1) == during.recv(1) == b"y"
            assert _echoes(before)


def test_delay_holds_up_both_directions(proxy: LinkProxy) -> None:
    with _connect(proxy) as client:
        proxy.delay(0.05)
        begun = time.monotonic()
        assert _echoes(client)
        assert time.monotonic() - begun >= 0.1


def test_cut_resets_open_and_new_connections(proxy: LinkProxy) -> None:
    with _connect(proxy) as client:
        assert _echoes(client)
        proxy.cut()
        with pytest.raises(OSError, match=r"reset|pipe"):
            _echoes(client)
    with pytest.raises(OSError, match=r"reset|pipe"), _connect(proxy) as refused:
        _echoes(refused)
    proxy.restore()
    with _connect(proxy) as client:
        assert _echoes(client)


def test_half_open_connections_stay_dead(proxy: LinkProxy) -> None:
    with _connect(proxy) as before:
        assert _echoes(before)
        proxy.half_open()
        with _connect(proxy) as during:
            assert _is_silent(before)
            assert _is_silent(during)
            proxy.restore()
            assert _is_silent(before)
            assert _is_silent(during)
            with _connect(proxy) as after:
                assert _echoes(after)


def test_a_fault_concerns_the_named_client_only() -> None:
    names: dict[int, str] = {}
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with (
            LinkProxy(*server.server_address, name_of=lambda port: names[port]) as proxy,  # type: ignore[arg-type]
            _bound(names, "one") as one,
            _bound(names, "two") as two,
        ):
            for client in (one, two):
                client.connect((proxy.host, proxy.port))
                client.settimeout(5.0)
                assert _echoes(client)
            proxy.freeze("one")
            assert _echoes(two)
            assert _is_silent(one)
            proxy.restore()
            assert one.recv(1) == b"y"
        server.shutdown()


def _bound(names: dict[int, str], name: str) -> socket.socket:
    """Return a socket whose local port has a name, not connected."""
    client = socket.socket()
    client.bind(("127.0.0.1", 0))
    names[client.getsockname()[1]] = name
    return client

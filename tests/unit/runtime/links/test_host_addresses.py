"""All addresses of a host share one time limit."""

import socket
from typing import Any

import pytest

from pipeline.runtime.links.host_addresses import connect_in_time


class Server:
    """A host whose addresses refuse each connection, at once or at the end of its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        self.now = 100.0
        self.hangs: set[str] = set()
        self.works: set[str] = set()
        self.tried: list[tuple[str, int]] = []
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 5432)) for each in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def connect(self, *, connect_timeout: int, **parameters: Any) -> str:
        """Stand in for psycopg2's function."""
        address = parameters.get("hostaddr", parameters["host"])
        self.tried.append((address, connect_timeout))
        if address in self.hangs:
            self.now += connect_timeout
        if address in self.works:
            return str(address)
        raise ConnectionError(address)

    def use(self, host: str = "db", seconds: float = 3) -> str:
        """Connect to a host."""
        return connect_in_time(self.connect, {"host": host}, seconds, ConnectionError)


def test_addresses_that_hang_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
    server.hangs = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}
    with pytest.raises(ConnectionError):
        server.use()
    assert server.now <= 103


def test_an_address_that_refuses_leaves_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, "::1", "127.0.0.1")
    server.works = {"127.0.0.1"}
    assert server.use() == "127.0.0.1"
    assert server.tried == [("::1", 2), ("127.0.0.1", 3)]


@pytest.mark.parametrize("host", ["/var/run/postgresql", "@acoustid", "first,second"])
def test_a_socket_or_a_list_of_hosts_is_left_to_libpq(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    server = Server(monkeypatch, "10.0.0.1", "10.0.0.2")
    server.works = {host}
    assert server.use(host) == host

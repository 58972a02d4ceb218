"""Connections are counted by client and in total; idle ones are closed for new ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http_server.connections import Connection, Connections, Reading, client_of
from http_server.limits import Limits, connections_for


class Opened:
    """The connections of a server, and those that it has closed."""

    def __init__(self, **limits: int) -> None:
        self.connections = Connections(Limits(**limits))
        self.closed: list[Connection] = []

    def make(self, address: str = "10.0.0.1") -> Connection:
        def close() -> None:
            self.closed.append(made)

        made = Connection(self.connections.client(address), close, since=0.0)
        return made

    def add(self, address: str = "10.0.0.1") -> Connection:
        made = self.make(address)
        assert self.connections.add(made)
        return made


def test_the_oldest_idle_connection_of_the_client_is_closed() -> None:
    opened = Opened(connections_per_client=2)
    other = opened.add("10.0.0.2")
    busy, waiting = opened.add(), opened.add()
    busy.requests = 1
    opened.add()
    assert opened.closed == [waiting]
    assert other not in opened.closed


def test_without_an_idle_connection_the_new_one_is_refused() -> None:
    opened = Opened(connections_per_client=1)
    opened.add().requests = 1
    assert not opened.connections.add(opened.make())
    opened.add("10.0.0.2")


def test_the_total_limit_closes_the_oldest_idle_connection() -> None:
    opened = Opened(connections=2)
    first = opened.add("10.0.0.1")
    second = opened.add("10.0.0.2")
    opened.add("10.0.0.3")
    assert opened.closed == [first]
    second.reading, second.requests = Reading.BODY, 1
    third = next(each for each in opened.connections if each is not second)
    third.requests = 1
    assert not opened.connections.add(opened.make("10.0.0.4"))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_have_no_client_limit(address) -> None:
    opened = Opened(connections_per_client=1)
    opened.add(address)
    opened.add(address)
    assert not opened.closed


def test_behind_a_proxy_there_are_no_client_limits() -> None:
    connections = Connections(Limits(per_client=False))
    assert connections.client("10.0.0.1") == ""


def test_half_read_bodies_are_limited() -> None:
    opened = Opened(half_read_bodies=2, half_read_bodies_per_client=1)
    first, second = opened.add(), opened.add()
    third, fourth = opened.add("10.0.0.2"), opened.add("10.0.0.3")
    assert opened.connections.begin_body(first)
    assert not opened.connections.begin_body(second)
    assert opened.connections.begin_body(third)
    assert not opened.connections.begin_body(fourth)
    opened.connections.remove(first)
    assert opened.connections.begin_body(second)


def test_buffered_bytes_are_limited() -> None:
    opened = Opened(buffered_bytes=100, buffered_bytes_per_client=60)
    first, second, third = opened.add(), opened.add(), opened.add("10.0.0.2")
    assert opened.connections.buffer(first, 50)
    assert not opened.connections.buffer(second, 11)
    assert opened.connections.buffer(third, 50)
    assert not opened.connections.buffer(third, 1)
    opened.connections.begin_request(first)
    opened.connections.remove(first)
    assert not opened.connections.buffer(second, 50)  # the request of the first still has them
    opened.connections.end_request(first, 0.0)
    assert opened.connections.buffer(second, 50)


def test_bytes_of_the_next_request_stay_counted() -> None:
    opened = Opened(buffered_bytes_per_client=60)
    first, second = opened.add(), opened.add()
    first.requests = 1
    opened.connections.begin_request(first)
    assert opened.connections.buffer(first, 10)
    first.requests = 2
    assert opened.connections.buffer(first, 50)
    opened.connections.end_request(first, 0.0)
    assert not opened.connections.buffer(second, 11)
    assert opened.connections.buffer(second, 10)


def test_a_removed_connection_is_not_counted() -> None:
    opened = Opened()
    gone = opened.add()
    opened.connections.remove(gone)
    assert not opened.connections.buffer(gone, 1)
    assert not opened.connections.begin_body(gone)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "remove", "buffer", "request", "ended", "begin", "end"]),
            st.integers(0, 7),
            st.sampled_from(["10.0.0.1", "10.0.0.2", "127.0.0.1"]),
        ),
        max_size=200,
    )
)
def test_all_counts_return_to_zero(steps) -> None:
    opened = Opened(
        connections=6,
        connections_per_client=3,
        half_read_bodies=3,
        half_read_bodies_per_client=2,
        buffered_bytes=50,
        buffered_bytes_per_client=30,
    )
    made: list[Connection] = []
    for step, number, address in steps:
        if step == "add":
            new = opened.make(address)
            if opened.connections.add(new):
                made.append(new)
        elif made:
            _do(opened.connections, step, made[number % len(made)])
    for each in made:
        opened.connections.remove(each)
        if each.is_active:
            opened.connections.end_request(each, 0.0)
    assert len(opened.connections) == 0
    for number in range(3):
        client = opened.add(f"10.0.0.{number}")
        assert opened.connections.begin_body(client)
    assert opened.connections.buffer(client, 30)


def _do(connections: Connections, step: str, connection: Connection) -> None:
    if step == "remove":
        connections.remove(connection)
    elif step == "buffer":
        connections.buffer(connection, 7)
    elif step == "request" and not connection.is_active:
        connections.begin_request(connection)
    elif step == "ended" and connection.is_active:
        connections.end_request(connection, 0.0)
    elif step == "begin" and not connection.is_half_read:
        connections.begin_body(connection)
    elif step == "end":
        connections.end_body(connection)


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_or_a_network(address, client) -> None:
    assert client_of(address) == client


@pytest.mark.parametrize(
    ("files", "expected"), [(-1, 4096), (1024, 512), (100_000, 4096), (256, 128), (1, 1)]
)
def test_some_open_files_are_reserved(files, expected) -> None:
    assert connections_for(files, 4096) == expected

"""Free and taken ports."""

import socket
from collections.abc import Iterator

import pytest

from cli.stack.servers import ports


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_free_port_can_be_listened_on() -> None:
    port = ports.free_port()
    assert ports.is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.is_free(port)


def test_a_port_taken_on_one_address_is_taken_on_all(taken: int) -> None:
    assert not ports.is_free(taken, "0.0.0.0")  # noqa: S104 - the very point


def test_a_given_port_is_used_if_it_is_free(taken: int) -> None:
    free = ports.free_port()
    assert ports.prefer(free) == free
    assert ports.prefer(taken) != taken
    assert ports.prefer(0) > 0


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104
        ("::", "http://[::1]:80"),
        ("music.example", "http://music.example:80"),
    ],
)
def test_urls_can_be_opened_on_this_machine(host: str, address: str) -> None:
    assert ports.web_address(host, 80) == address

"""Texts of errors of the connection to NATS."""

import pytest
from nats import errors

from nats_bridge.link.link_errors import explain_link

CLOSED = [
    errors.UnexpectedEOF(),
    ConnectionResetError("Connection lost"),  # of asyncio: it has no errno
    ConnectionResetError(104, "reset"),
    BrokenPipeError(32, "broken"),
]


@pytest.mark.parametrize("error", CLOSED)
def test_a_closed_connection_is_not_an_unreachable_server(error: Exception) -> None:
    assert explain_link(error) == "the server closed the connection"


@pytest.mark.parametrize("error", CLOSED)
def test_a_connection_closed_during_tls_may_lack_a_certificate(error: Exception) -> None:
    text = explain_link(error, begins_tls=True)
    assert text.startswith("the server closed the connection: check [nats] ssl_certfile")


def test_a_refused_connection_is_an_unreachable_server() -> None:
    text = explain_link(ConnectionRefusedError(111, "refused"), begins_tls=True)
    assert text == "the server is unreachable (Connection refused)"

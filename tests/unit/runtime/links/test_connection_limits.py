"""Tests of the table of connection limits."""

import socket

import psycopg2
import pytest

from pipeline.runtime.links import connection_limits
from pipeline.runtime.links.connection_limits import ConnectionLimits

ROWS = {
    name: value
    for name, value in vars(connection_limits).items()
    if isinstance(value, ConnectionLimits)
}


@pytest.mark.parametrize("name", [name for name in ROWS if name.startswith("POSTGRES")])
def test_libpq_knows_each_parameter(name: str) -> None:
    """Libpq refuses a connection string with an unknown parameter."""
    text = psycopg2.extensions.make_dsn(host="localhost", **ROWS[name].libpq())
    parsed = psycopg2.extensions.parse_dsn(text)
    assert {"connect_timeout", "keepalives_idle", "tcp_user_timeout"} <= set(parsed)


@pytest.mark.parametrize("limits", ROWS.values(), ids=ROWS)
def test_operating_system_accepts_each_option(limits: ConnectionLimits) -> None:
    """The options can be set on a TCP socket, and dead peers are detected within 15 s."""
    with socket.socket() as opened:
        for option, value in limits.socket_options().items():
            opened.setsockopt(socket.IPPROTO_TCP, option, value)
            assert opened.getsockopt(socket.IPPROTO_TCP, option) == value
    assert limits.unacknowledged <= 15

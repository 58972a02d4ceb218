"""Connections to PostgreSQL that fail: the time limit and the reason."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.exc import OperationalError

from pipeline.catalog import migrate
from pipeline.runtime.links.connection_errors import explain_unreachable
from pipeline.settings.sections import Settings


@contextmanager
def server(reply: bytes) -> Iterator[int]:
    """Run a server that sends the same reply to each client, and keeps the connection open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1024)
                client.sendall(reply)
                client.recv(1024)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def failure(port: int, sslmode: str) -> str | None:
    """Return why the first database cannot be migrated."""
    database = {"host": "127.0.0.1", "port": port, "sslmode": sslmode}
    settings = Settings.model_validate({"database": database})
    with pytest.raises(OperationalError) as caught:
        migrate.upgrade_all(settings)
    return explain_unreachable(caught.value)


def test_a_server_without_tls_is_an_error_if_tls_is_required() -> None:
    with server(b"N") as port:
        assert failure(port, "require") == (
            f'PostgreSQL: connection to server at "127.0.0.1", port {port} failed: '
            "server does not support SSL, but SSL was required"
        )


def test_migrations_do_not_wait_for_a_server_that_does_not_answer() -> None:
    with server(b"") as port:
        reason = failure(port, "require")
    assert reason
    assert reason.endswith("timeout expired")


def test_other_errors_are_not_explained() -> None:
    assert explain_unreachable(ValueError("x")) is None

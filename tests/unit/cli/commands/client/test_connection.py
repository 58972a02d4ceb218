"""The client keeps its connections, and says why a server cannot be used."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cli.commands.client import connection
from cli.commands.client.http_client import Client
from cli.errors import StackError
from tests.support.clients.scripted_server import Scripted, scripted_server
from tests.support.tls_files import TlsFiles

OK = Scripted(body={"status": "ok"})


@contextmanager
def listening(answer: bytes, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Accept connections; send bytes on each one, and close it. Yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    accepted, _ = listener.accept()
                except OSError:
                    return
                with accepted, suppress(OSError):
                    stream = tls.wrap_socket(accepted, server_side=True) if tls else accepted
                    stream.recv(65536)
                    stream.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def failure(server: str) -> str:
    with pytest.raises(StackError) as caught:
        Client(server, "key").post("/v2/lookup", [])
    return str(caught.value)


def test_requests_use_one_connection() -> None:
    with scripted_server(lambda *_: OK) as server:
        client = Client(server.address, "key")
        for _ in range(3):
            client.post("/v2/lookup", [("a", "b")])
    assert server.connections == 1
    assert server.forms == [("/v2/lookup", {"format": ["json"], "client": ["key"], "a": ["b"]})] * 3


def test_a_closed_connection_is_opened_again() -> None:
    closing = Scripted(body={"status": "ok"}, closes=True)
    with scripted_server(lambda *_: closing) as server:
        client = Client(server.address, "key")
        for _ in range(3):
            client.post("/v2/lookup", [])
    assert server.connections == 3


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with scripted_server(lambda *_: OK) as server:
        Client(server.address, "key").post("/v2/lookup", [])
        Client(server.address.replace("127.0.0.1", "localhost"), "key").post("/v2/lookup", [])


def test_a_proxy_of_the_environment_is_used_for_other_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with scripted_server(lambda *_: OK) as proxy:
        monkeypatch.setenv("http_proxy", proxy.address.removeprefix("http://"))
        Client("http://server.invalid", "key").post("/v2/lookup", [])
        assert proxy.forms[0][0] == "http://server.invalid/v2/lookup"
        monkeypatch.setenv("no_proxy", "server.invalid")
        assert "the name of its host is unknown" in failure("http://server.invalid")
    monkeypatch.setenv("http_proxy", "socks9://user:secret@x")
    text = failure("http://other.invalid")
    assert "the proxy in the environment variable" in text
    assert "secret" not in text


def test_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("http_proxy", raising=False)
    with listening(b"") as port:
        closed = failure(f"http://127.0.0.1:{port}")
    assert closed.endswith("it closed the connection without a reply")
    assert failure(f"http://127.0.0.1:{port}").endswith("does not answer: Connection refused")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "it does not use TLS"),
        (b"220 mail.example ESMTP\r\n", "it does not use TLS"),
    ],
)
def test_https_on_a_port_without_tls(answer: bytes, text: str) -> None:
    with listening(answer) as port:
        assert text in failure(f"https://127.0.0.1:{port}")


def test_a_certificate_must_be_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = TlsFiles.copied_to(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    reply = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'
    with listening(reply, tls) as port:
        assert "its certificate is not valid: " in failure(f"https://localhost:{port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
        Client(f"https://localhost:{port}", "key").post("/v2/lookup", [])
        assert "its certificate is not valid: " in failure(f"https://127.0.0.1:{port}")
        assert "without a reply" in failure(f"http://localhost:{port}")


@pytest.mark.parametrize(
    "answer", [b"220 mail.example ESMTP\r\n", b"\x15\x03\x01\0\x02\x02\x46", b"HTTP/1.1 x\r\n\r\n"]
)
def test_a_server_that_does_not_use_http(answer: bytes) -> None:
    with listening(answer) as port:
        assert failure(f"http://127.0.0.1:{port}").endswith("its reply is not HTTP")


def test_a_body_that_ends_early_or_is_damaged() -> None:
    with listening(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{") as port:
        assert failure(f"http://127.0.0.1:{port}").endswith("its reply ends early")
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
    with listening(packed) as port:
        assert failure(f"http://127.0.0.1:{port}").endswith("its reply cannot be decoded")


def test_a_huge_reply_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_REPLY", 1000)
    with scripted_server(lambda *_: Scripted(body=b"x" * 2000)) as server:
        assert "has more than 1000 bytes" in failure(server.address)


@pytest.mark.parametrize("slow_part", ["headers", "body"])
def test_a_reply_that_arrives_slowly_has_a_time_limit(
    monkeypatch: pytest.MonkeyPatch, slow_part: str
) -> None:
    """Each byte arrives in the time limit of a read."""
    monkeypatch.setattr(connection, "REPLY_TIMEOUT", 0.4)
    head = b"HTTP/1.1 200 OK\r\n"
    if slow_part == "body":
        head += b"Content-Length: 100000\r\n\r\n"
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with accepted, suppress(OSError):
                accepted.recv(65536)
                accepted.sendall(head)
                while not ended.wait(0.05):
                    accepted.sendall(b"x")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            text = failure(f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            ended.set()
            thread.join()
    assert "does not answer: no complete reply within 0 s" in text

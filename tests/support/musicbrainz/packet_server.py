"""A server of packets in place of metabrainz.org."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = Callable[["_Handler"], None]


class PacketServer:
    """Replies to requests for files.

    Attributes:
        port: its port.
        files: contents of files, or functions that reply, by path.
        asked: the path and the tokens of each request.
        token: the token that each request needs; None for none.
    """

    def __init__(self) -> None:
        self.port = 0
        self.files: dict[str, bytes | Answer] = {}
        self.asked: list[tuple[str, list[str]]] = []
        self.token: str | None = None

    @property
    def url(self) -> str:
        """The address of the folder of packets."""
        return f"http://127.0.0.1:{self.port}/api"

    def tokens(self) -> set[str]:
        """Return all tokens that were sent."""
        return {token for _, tokens in self.asked for token in tokens}


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        """Reply with a file, or as a function does."""
        served: PacketServer = self.server.served
        parts = urlsplit(self.path)
        tokens = parse_qs(parts.query).get("token", [])
        served.asked.append((parts.path, tokens))
        found = served.files.get(parts.path)
        if served.token is not None and tokens != [served.token]:
            self.answer(403)
        elif found is None:
            self.answer(404)
        elif isinstance(found, bytes):
            self.answer(200, found)
        else:
            found(self)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send a reply."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Write nothing."""


def redirect(target: str) -> Answer:
    """Return an answer that redirects to another address."""
    return lambda handler: handler.answer(302, Location=target)


def status(number: int) -> Answer:
    """Return an answer with a status."""
    return lambda handler: handler.answer(number)


def cut(body: bytes) -> Answer:
    """Return an answer that ends before its announced length."""

    def answer(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.close_connection = True

    return answer


def endless(pause: float, piece: bytes = b"x") -> Answer:
    """Return an answer that sends a piece at intervals until the client is gone."""

    def answer(handler: _Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        try:
            while True:
                handler.wfile.write(piece)
                handler.wfile.flush()
                time.sleep(pause)
        except OSError:
            return

    return answer


def failing(times: int, body: bytes) -> Answer:
    """Return an answer that fails some times before it succeeds."""
    left = [times]

    def answer(handler: _Handler) -> None:
        left[0] -= 1
        handler.answer(*((503,) if left[0] >= 0 else (200, body)))

    return answer


@contextmanager
def running_packet_server() -> Iterator[PacketServer]:
    """Run a server during the block."""
    served = PacketServer()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        server.served = served  # type: ignore[attr-defined] # for the handler
        served.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()

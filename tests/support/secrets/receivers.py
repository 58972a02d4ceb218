"""Receivers of error reports and of metrics: a fake Sentry and a fake StatsD on free ports."""

import gzip
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from cli.stack.servers.ports import LOOPBACK


@dataclass
class Received:
    """What a receiver has got.

    Attributes:
        port: its port.
        texts: the bodies of the requests, or the datagrams.
    """

    port: int
    texts: list[bytes] = field(default_factory=list)


@contextmanager
def sentry_receiver() -> Iterator[Received]:
    """Run a server that accepts the envelopes of Sentry's client, without the line of their DSN."""
    received = Received(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            received.texts.append(body.split(b"\n", 1)[1])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        received.port = server.server_port
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join(10)


@contextmanager
def statsd_receiver() -> Iterator[Received]:
    """Run a server that accepts datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((LOOPBACK, 0))
        listener.settimeout(0.2)
        received = Received(listener.getsockname()[1])
        runs = True

        def receive() -> None:
            while runs:
                with suppress(TimeoutError):
                    received.texts.append(listener.recv(65536))

        thread = Thread(target=receive, daemon=True)
        thread.start()
        try:
            yield received
        finally:
            runs = False
            thread.join(10)

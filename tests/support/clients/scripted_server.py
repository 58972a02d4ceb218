"""An HTTP server with given replies, for tests of clients."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Scripted:
    """A reply.

    Attributes:
        status: the HTTP status; 0 closes the connection without a reply.
        body: the body; an object becomes JSON.
        headers: additional headers.
        closes: whether the server closes the connection after the reply, without a header that
            says so.
    """

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    closes: bool = False


@dataclass
class ScriptedServer:
    """A server that replies as a function says.

    Attributes:
        address: its address.
        forms: the path and the parameters of each request, in order.
        connections: the number of connections.
    """

    address: str = ""
    forms: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    connections: int = 0


@contextmanager
def scripted_server(
    reply: Callable[[str, dict[str, list[str]]], Scripted],
) -> Iterator[ScriptedServer]:
    """Run a server; `reply` returns the reply to the path and the parameters of a request."""
    made = ScriptedServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            made.connections += 1
            super().setup()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Write no log."""

        def do_POST(self) -> None:
            body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
            form = parse_qs(body.decode(), keep_blank_values=True)
            made.forms.append((self.path, form))
            answer = reply(self.path, form)
            self.close_connection = answer.closes or answer.status == 0
            if answer.status:
                self._send(answer)

        def _send(self, answer: Scripted) -> None:
            body = (
                answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            )
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()

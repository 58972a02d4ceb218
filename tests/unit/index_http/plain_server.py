"""A simple server of fpindex's protocol: one index in memory, with injected faults."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

import msgpack

from pipeline.index_http import IndexServerClient
from tests.unit.index.model import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INDEX = "main"
Reply: TypeAlias = tuple[int, object]


class PlainServer(ThreadingHTTPServer):
    """Serves one index.

    Attributes:
        exists: whether the index exists.
        documents: id to terms.
        requests: the received request lines, without the HTTP version.
        before: called with each request line; may raise `Broken`, or return status and body of
            another reply.
        after: called before the reply is sent; may raise `Broken`.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.exists = True
        self.version = 0
        self.metadata: dict[str, str] = {}
        self.documents: dict[int, frozenset[int]] = {}
        self.requests: list[str] = []
        self.searches: list[dict[str, Any]] = []
        self.before: Callable[[str], tuple[int, bytes] | None] = lambda _line: None
        self.after: Callable[[str], None] = lambda _line: None
        self.lock = threading.Lock()

    def client(self, connections: int = 1) -> IndexServerClient:
        """Return a client of this server."""
        return IndexServerClient("127.0.0.1", self.server_port, INDEX, connections)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing about connections that the tests break."""

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """Process a request."""
        fields = msgpack.unpackb(body) if body else {}
        with self.lock:
            if method == "PUT":
                self.exists = True
                return 200, {"v": self.version, "r": True, "g": 1}
            if not self.exists:
                return 404, {"e": "IndexNotFound"}
            if method == "GET":
                return 200, {"v": self.version, "m": self.metadata, "s": self._stats()}
            return self._search(fields) if path.endswith("/_search") else self._update(fields)

    def _search(self, fields: dict[str, Any]) -> Reply:
        self.searches.append(fields)
        found = answer(self.documents, fields["q"], fields["l"], fields["m"], fields["s"])
        return 200, {"r": [{"i": id_, "s": score} for id_, score in found]}

    def _update(self, fields: dict[str, Any]) -> Reply:
        if fields["e"] != self.version:
            return 409, {"e": "VersionMismatch"}
        for change in fields["c"]:
            if insert := change.get("i"):
                assert len(set(insert["h"])) == len(insert["h"])
                self.documents[insert["i"]] = frozenset(insert["h"])
            else:
                self.documents.pop(change["d"]["i"], None)
        self.metadata |= fields["m"]
        self.version += 1
        return 200, {"v": self.version}

    def _stats(self) -> dict[str, int]:
        found = {"num_docs": len(self.documents), "num_segments": 1}
        if self.documents:
            found |= {"min_doc_id": min(self.documents), "max_doc_id": max(self.documents)}
        return found


class Broken(Exception):  # noqa: N818 - what a fault does to a connection
    """Resets the connection."""


class _Handler(BaseHTTPRequestHandler):
    server: PlainServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet, or each reply waits for the client's kernel

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = f"{self.command} {self.path}"
        self.server.requests.append(line)
        try:
            faulty = self.server.before(line)
            status, value = faulty or self.server.answer(self.command, self.path, body)
            self.server.after(line)
        except Broken:
            self._reset()
            return
        reply = value if isinstance(value, bytes) else msgpack.packb(value)
        self.send_response(status)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_PUT = do_POST = _handle  # noqa: N815 - the library's names

    def _reset(self) -> None:
        at_once = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Print no requests."""


@contextmanager
def serving(port: int = 0) -> Iterator[PlainServer]:
    """Serve an empty index for the time of the block."""
    with PlainServer(port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

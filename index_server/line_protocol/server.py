"""The TCP server of the line protocol: connections, limits, time-outs."""

import socket
import socketserver
import sys
import threading
from contextlib import suppress
from typing import ClassVar, Final, TypeAlias

import structlog

from http_server.connections import EXEMPT, client_of
from index_server.errors import IndexDamagedError
from index_server.line_protocol.session import LineProtocolSession
from index_server.registry import CreateRequest, IndexRegistry

MAX_LINE: Final = 256 * 1024
"""Maximum number of bytes of a line, including the line end."""

MAX_CONNECTIONS: Final = 512
"""Maximum number of connections. Each one has a thread."""

MAX_CONNECTIONS_PER_CLIENT: Final = 128
"""Maximum number of connections of one client address. Does not apply to this machine."""

CLOSE_TIMEOUT: Final = 1.0
"""Seconds that `LineProtocolServer.close` waits for the commands in progress."""

_POLL: Final = 0.05  # seconds between two checks for shutdown

_Request: TypeAlias = socket.socket | tuple[bytes, socket.socket]

logger = structlog.get_logger("acoustid.index_server.line_protocol.server")


class LineProtocolServer:
    """Serves one index in the line protocol, in its own threads, until it is closed.

    Args:
        indexes: the indexes of the server.
        name: the name of the index to serve; it is created if it does not exist.
        address: the host and port to listen on; port 0 for any free one.

    Raises:
        OSError: it cannot listen on the address.
    """

    def __init__(self, indexes: IndexRegistry, name: str, address: tuple[str, int]) -> None:
        with suppress(IndexDamagedError):  # the other indexes are served over HTTP
            indexes.create(name, CreateRequest())
        self._listener = _Listener(address, indexes, name)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(_POLL,), name="line-protocol", daemon=True
        )
        self._thread.start()
        logger.info("serving the line protocol", index=name, host=address[0], port=self.port)

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return int(self._listener.server_address[1])

    def close(self) -> None:
        """Refuse new connections, answer the commands in progress, and close all connections.

        Commands that take longer than `CLOSE_TIMEOUT` get no reply.
        """
        self._listener.shutdown()
        self._listener.server_close()
        self._listener.end_connections()


class _Connection(socketserver.StreamRequestHandler):
    """Reads lines and writes replies until one side closes the connection."""

    disable_nagle_algorithm: ClassVar[bool] = True
    server: "_Listener"

    def handle(self) -> None:
        session = LineProtocolSession(self.server.indexes, self.server.index_name)
        with suppress(OSError):  # the client has disconnected, or does not read replies
            while not self.server.is_closing and self._answer_one(session):
                pass

    def _answer_one(self, session: LineProtocolSession) -> bool:
        """Answer one line. Return whether to continue."""
        self.connection.settimeout(session.idle_timeout)
        try:
            line = self.rfile.readline(MAX_LINE + 1)
        except TimeoutError:
            self._reply("ERR timeout")
            return False
        if len(line) > MAX_LINE:
            self._reply("ERR line too long")
            return False
        if not line.endswith(b"\n"):
            return False  # the client has closed the connection
        text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        if text.startswith("quit"):
            self._reply("OK ")
            return False
        self._reply(session.answer(text))
        return True

    def _reply(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode("utf-8", "surrogateescape"))


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], indexes: IndexRegistry, index_name: str) -> None:
        self.indexes = indexes
        self.index_name = index_name
        self.is_closing = False
        self._changed = threading.Condition()
        self._open: dict[_Request, str] = {}  # connections with the results of `_client`
        super().__init__(address, _Connection)

    def process_request(self, request: _Request, client_address: object) -> None:
        if not self._admit(request, client_address):
            if isinstance(request, socket.socket):
                with suppress(OSError):
                    request.sendall(b"ERR too many connections\r\n")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: _Request, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                del self._open[request]
                self._changed.notify_all()

    def end_connections(self) -> None:
        """Let each connection end after its command; wait up to `CLOSE_TIMEOUT` seconds."""
        self.is_closing = True
        with self._changed:
            for request in self._open:
                if isinstance(request, socket.socket):
                    with suppress(OSError):  # the client has disconnected
                        request.shutdown(socket.SHUT_RD)  # ends the wait for the next line
            self._changed.wait_for(lambda: not self._open, CLOSE_TIMEOUT)

    def _admit(self, request: _Request, client_address: object) -> bool:
        client = _client(client_address)
        with self._changed:
            own = list(self._open.values()).count(client) if client else 0
            if len(self._open) >= MAX_CONNECTIONS or own >= MAX_CONNECTIONS_PER_CLIENT:
                return False
            self._open[request] = client
            return True

    def handle_error(self, request: _Request, client_address: object) -> None:
        del request, client_address
        logger.error("unhandled exception", exc_info=sys.exception())


def _client(address: object) -> str:
    """Return the client of a socket address; "" for this machine."""
    host = str(address[0]) if isinstance(address, tuple) else ""
    return "" if host in EXEMPT else client_of(host)

"""A TCP forwarder: a port on which a test can take a server away and bring it back."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 65536
LOCALHOST = "127.0.0.1"


class Forwarder:
    """Forwards the connections of a port to a server while it is open.

    Args:
        to: port of the server.

    Attributes:
        port: where it listens; the same after `close` and `open`.
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.open()

    def open(self) -> None:
        """Accept connections."""
        listener = socket.create_server((LOCALHOST, self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse new connections and break those that are open."""
        with self._lock:
            closed = [*self._connections, *([self._listener] if self._listener else [])]
            self._connections.clear()
            self._listener = None
        for each in closed:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:  # closed
                return
            far = socket.create_connection((LOCALHOST, self._to))
            with self._lock:
                self._connections += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def forwarder(to: int) -> Iterator[Forwarder]:
    """Forward a port to a server until the end of the block."""
    made = Forwarder(to)
    try:
        yield made
    finally:
        made.close()

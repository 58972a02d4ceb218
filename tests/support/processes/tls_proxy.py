"""A TLS server in front of a server without TLS."""

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.tls_files import TlsFiles


class TlsProxy:
    """Accepts TLS connections and forwards their content, unencrypted, to a server.

    Args:
        upstream: host and port of the server.
        files: the certificates. The client must show one of the same authority.
    """

    def __init__(self, upstream: tuple[str, int], files: TlsFiles) -> None:
        self._upstream = upstream
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*files.server)
        self._context.load_verify_locations(files.authority)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.handshakes = 0

    def serve(self) -> None:
        """Serve connections until `close`."""
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                thread = threading.Thread(target=self._connect, args=(near,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """Close all connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(11)

    def _connect(self, near: socket.socket) -> None:
        with suppress(OSError), near:
            near.settimeout(10)
            with self._context.wrap_socket(near, server_side=True) as secure:
                self.handshakes += 1
                with socket.create_connection(self._upstream) as far:
                    self._sockets += [secure, far]
                    forward(secure, far)


def forward(secure: ssl.SSLSocket, plain: socket.socket) -> None:
    """Forward data in both directions until one side closes its connection."""
    while True:
        readable = [secure] if secure.pending() else select.select([secure, plain], [], [])[0]
        for source in readable:
            data = source.recv(65536)
            if not data:
                return
            (plain if source is secure else secure).sendall(data)


@contextmanager
def running_tls_proxy(upstream: tuple[str, int], files: TlsFiles) -> Iterator[TlsProxy]:
    """Run a proxy during a block."""
    proxy = TlsProxy(upstream, files)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(10)

"""Finds free TCP ports, and the address of a server on a port."""

import errno
import socket
from contextlib import suppress

LOOPBACK = "127.0.0.1"


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that is free now. Another process may take it before it is used."""
    with _socket_for(host) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server can listen on the port now.

    Raises:
        OSError: this machine does not have the address, or this user may not use the port.
    """
    with _socket_for(host) as probe:
        # Connections of an earlier server in TIME_WAIT do not prevent a new one.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def prefer(port: int | None, host: str = LOOPBACK) -> int:
    """Return `port` if it is given and free, else any free port."""
    return port if port and is_free(port, host) else free_port(host)


def answers(host: str, port: int) -> bool:
    """Return whether a server accepts connections on the port now."""
    with _socket_for(host) as probe, suppress(OSError):
        probe.settimeout(2.0)
        probe.connect((_on_this_machine(host), port))
        return True
    return False


def web_address(host: str, port: int) -> str:
    """Return the URL, on this machine, of a web server that listens on `host`."""
    local = _on_this_machine(host)
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"


def _on_this_machine(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - not bound here


def _socket_for(host: str) -> socket.socket:
    family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    return socket.socket(family, socket.SOCK_STREAM)

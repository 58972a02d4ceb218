"""TCP ports: which are free, and who has one that is not."""

import errno
import socket
from contextlib import suppress

import psutil

from cli.errors import StackError

LOOPBACK = "127.0.0.1"


class PortTakenError(StackError):
    """Another process listens on the port; the text names both."""


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that was free a moment ago."""
    with _socket_for(host) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Say whether a server could listen on the port now.

    Raises:
        OSError: the address is not one of this machine, or the port is not allowed to this user.
    """
    with _socket_for(host) as probe:
        # A connection that lingers from the last server there is no obstacle to the next one.
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
    """Return `port` if it is given and free, else any free one."""
    return port if port and is_free(port, host) else free_port(host)


def require(port: int, host: str, option: str) -> int:
    """Return the port, or for 0 a free one.

    Raises:
        PortTakenError: it is taken, or this user may not have it.
    """
    if port == 0:
        return free_port(host)
    try:
        if is_free(port, host):
            return port
    except OSError as error:
        raise PortTakenError(f"port {port} of {host} cannot be used: {error.strerror}") from error
    raise PortTakenError(
        f"port {port} of {host} is taken{_holder(port)}: choose another one with {option}"
    )


def web_address(host: str, port: int) -> str:
    """Return the address at which this machine reaches a web server that listens on `host`."""
    local = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - not to bind
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"


def _socket_for(host: str) -> socket.socket:
    family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    return socket.socket(family, socket.SOCK_STREAM)


def _holder(port: int) -> str:
    """Name the process that listens on the port, as far as this user may see it."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""

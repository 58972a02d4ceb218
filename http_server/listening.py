"""Opens listening sockets. A supervisor can open one that its child processes share."""

import socket
from typing import Final

BACKLOG: Final = 1024
"""Number of connections that the kernel queues until they are accepted."""

SEND_BUFFER: Final = 256 * 1024
"""Bytes of a reply that the kernel buffers while the client does not read them."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. The kernel queues connections as soon as this function returns.

    Args:
        host: an address or a host name; an IPv6 address has no brackets.
        port: a port number; 0 for any free port.

    Raises:
        OSError: the address cannot be used, for example because the port is in use.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit the size. By default the kernel buffers up to 4 MB for each.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener

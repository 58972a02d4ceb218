"""Listening sockets. A supervisor can open one for its child processes."""

import socket
from typing import Final

BACKLOG: Final = 1024
"""Connections that the kernel queues until they are accepted."""


SEND_BUFFER: Final = 256 * 1024
"""Bytes of replies that the kernel buffers for a connection whose client does not read them."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. The kernel accepts connections from now on.

    Args:
        host: an address or a name; IPv6 addresses without brackets.
        port: a port, or 0 for any free one.

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

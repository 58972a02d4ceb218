"""Listening sockets; apart from the server, so that a supervisor can open one for its children."""

import socket
from typing import Final

BACKLOG: Final = 1024
"""Connections that the system keeps until they are accepted."""


SEND_BUFFER: Final = 256 * 1024
"""Bytes of replies that the system keeps for a connection whose client does not read them."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, at once, so that no connection is refused from now on.

    Args:
        host: an address or a name; IPv6 addresses without brackets.
        port: 0 for any that is free.

    Raises:
        OSError: the address cannot be used; the port is taken, say.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Left to itself, the system keeps 4 MB for each of them.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener

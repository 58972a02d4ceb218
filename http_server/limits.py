"""The limits of the server and of one client, and the system's limit on open files."""

import resource
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

RESERVED_FILES: Final = 512
"""Open files reserved for databases, Redis and mapped files; all others are for connections."""

ENOUGH_FILES: Final = 10_240
"""A limit on open files that macOS accepts; it refuses "unlimited"."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one server. Times are in seconds, sizes in bytes.

    Attributes:
        connections: open connections.
        connections_per_client: open connections of one client address.
        requests_per_client: concurrent requests of one client address. Further requests of the
            address wait outside the queue of all clients.
        half_read_bodies: requests whose body has arrived in part.
        half_read_bodies_per_client: the same for one client address.
        buffered_bytes: bytes of all bodies in memory, from their arrival to the end of the request.
        buffered_bytes_per_client: the same for one client address.
        body_bytes: bytes of one body. The application refuses a longer body.
        header_bytes: bytes of the request line and the headers of one request.
        header_time: time for the request line and the headers, from their first byte.
        idle_time: time that a connection may be open without a request.
        body_time: time for a body.
        body_rate: the lowest rate of a body, in bytes per second, after the first `body_grace`.
        body_grace: time for which `body_rate` does not apply.
        discard_time: time for the rest of a body after its request was refused.
        reply_time: time in which the client must read the next 64 KiB of a reply.
        per_client: whether the limits of one client address apply. Behind a proxy all clients have
            the proxy's address, so they must not.
    """

    connections: int = 4096
    connections_per_client: int = 100
    requests_per_client: int = 32
    half_read_bodies: int = 512
    half_read_bodies_per_client: int = 64
    buffered_bytes: int = 256 * 2**20
    buffered_bytes_per_client: int = 32 * 2**20
    body_bytes: int = 2**20
    header_bytes: int = 64 * 2**10
    header_time: float = 10.0
    idle_time: float = 60.0
    body_time: float = 30.0
    body_rate: float = 1024.0
    body_grace: float = 5.0
    discard_time: float = 600.0
    reply_time: float = 30.0
    per_client: bool = True


def raise_file_limit() -> int:
    """Raise this process's limit on open files to the highest allowed, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, ENOUGH_FILES):
        if soft == wanted:
            break
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break
    return int(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def connections_for(files: int, wanted: int) -> int:
    """Return the number of connections that a process may accept.

    Args:
        files: the limit on open files; negative for no limit.
        wanted: the configured number of connections.
    """
    if files < 0:
        return wanted
    return max(1, min(wanted, files - min(RESERVED_FILES, files // 2)))

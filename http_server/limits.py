"""The limits of the server and of one client, and the system's limit on open files."""

import resource
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

RESERVED_FILES: Final = 512
"""Number of open files that are reserved for databases, Redis and mapped files."""

FALLBACK_FILE_LIMIT: Final = 10_240
"""Limit on open files if the system refuses its hard limit, as macOS refuses "unlimited"."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one server. Times are in seconds, sizes in bytes.

    Attributes:
        connections: maximum number of open connections.
        connections_per_client: maximum number of open connections of one client address.
        requests_per_client: maximum number of concurrent requests of one client address. Further
            requests of the address wait in a queue of their own.
        half_read_bodies: maximum number of requests whose body has arrived in part only.
        half_read_bodies_per_client: the same for one client address.
        buffered_bytes: maximum size of all request bodies in memory. A body counts until its
            request ends.
        buffered_bytes_per_client: the same for one client address.
        body_bytes: maximum size of one body. The application refuses a larger body.
        header_bytes: maximum size of the request line and the headers of one request.
        header_time: maximum time from the first byte of a request to the end of its headers.
        idle_time: maximum time for which a connection without a request stays open.
        body_time: maximum time for the arrival of a body.
        body_rate: minimum rate at which a body must arrive, in bytes per second.
        body_grace: time at the start of a body for which `body_rate` does not apply.
        discard_time: maximum time for the rest of a body whose request was refused.
        reply_time: maximum time in which the client must read 64 KiB of a reply.
        per_client: whether the limits of one client address apply. They must not apply behind a
            proxy, where all clients have the address of the proxy.
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
    """Raise this process's limit on open files to the highest allowed value, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, FALLBACK_FILE_LIMIT):
        if soft == wanted:
            break
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break
    return int(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def connections_for(files: int, wanted: int) -> int:
    """Return the number of connections that a process may accept.

    Args:
        files: the limit on open files; negative if there is no limit.
        wanted: the configured number of connections.
    """
    if files < 0:
        return wanted
    return max(1, min(wanted, files - min(RESERVED_FILES, files // 2)))

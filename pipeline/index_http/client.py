"""An HTTP client for one index on one server, with the requests of fpindex's protocol used here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeVar

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError  # noqa: A004

from pipeline.index.errors import RequestRefused
from pipeline.index_http import protocol
from pipeline.index_http.protocol import (
    IndexMissing,
    ServerFailed,
    ServerTimedOut,
    VersionConflict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.index import Change, Hits

Read = TypeVar("Read")

CONNECT_TIMEOUT: Final = 1.0
"""Maximum seconds to wait for a connection to a server."""

PATIENCE: Final = 0.5
"""Seconds within which an intact server replies to any request except a search."""

SEARCH_SHARE: Final = 0.9
"""The part of a search's time that the server gets, so that its reply arrives in time."""

MAX_SEARCH_TIMEOUT: Final = 10_000
"""The maximum timeout of a search that a server accepts, in milliseconds."""

_SUCCESS: Final = frozenset({200, 202})
_REFUSALS: Final = frozenset({400, 403, 409, 415, 501})
_HEADERS: Final = {"Content-Type": protocol.CONTENT_TYPE, "Accept": protocol.CONTENT_TYPE}


class IndexServerClient:
    """A connection pool to one server, for one index. Thread-safe.

    It connects at the first request. Every method takes a time limit in seconds. It raises
    `ServerFailed` if the server is unreachable, slow, not ready or failing, or uses another
    protocol. It raises `ServerTimedOut` if a search took too long, or the time was below
    `PATIENCE`. It raises `RequestRefused` if the server rejects the request.
    """

    def __init__(self, host: str, port: int, index: str, connections: int = 1) -> None:
        """Prepare the pool.

        Args:
            host: host name or address.
            port: TCP port.
            index: name of the index on the server.
            connections: maximum number of idle connections to keep open.
        """
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._index = index
        self._pool = urllib3.HTTPConnectionPool(host, port, maxsize=connections, retries=False)

    def __str__(self) -> str:
        return self.address

    def search(
        self,
        query: NDArray[np.uint32],
        limits: tuple[int, int, int],
        timeout: float,
    ) -> Hits:
        """Search for one query.

        Args:
            query: uint32, shape (n,).
            limits: maximum number of hits, minimum score, and percentage of the best score.
            timeout: seconds.

        Raises:
            IndexMissing: the server has no such index.
        """
        milliseconds = min(MAX_SEARCH_TIMEOUT, math.ceil(timeout * 1000 * SEARCH_SHARE))
        body = protocol.search_body(query, *limits, max(1, milliseconds))
        return self._read(protocol.read_hits, self._request("POST", "/_search", timeout, body))

    def state(self, timeout: float) -> protocol.IndexState:
        """Return version, position and size of the index.

        Raises:
            IndexMissing: the server has no such index.
        """
        return self._read(protocol.read_state, self._request("GET", "", timeout))

    def create(self, timeout: float) -> None:
        """Create an empty index. An existing one stays unchanged."""
        self._request("PUT", "", timeout)

    def update(
        self,
        changes: Sequence[Change],
        metadata: Mapping[str, str],
        version: int,
        timeout: float,
    ) -> int:
        """Commit changes and metadata together; return the version of the commit.

        Args:
            changes: the last one of an id wins.
            metadata: merged into the metadata of the index, key by key.
            version: the version that the index must have.
            timeout: seconds.

        Raises:
            VersionConflict: the index has another version; nothing was changed.
            IndexMissing: the server has no such index.
        """
        body = protocol.update_body(changes, metadata, version)
        return self._read(protocol.read_version, self._request("POST", "/_update", timeout, body))

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _request(self, method: str, path: str, timeout: float, body: bytes | None = None) -> bytes:
        try:
            reply = self._pool.urlopen(
                method,
                f"/{self._index}{path}",
                body=body,
                headers=_HEADERS,
                timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT, timeout), read=timeout),
                redirect=False,
            )
        except HTTPError as error:
            too_short = timeout < PATIENCE and _is_timeout(error)
            kind = ServerTimedOut if too_short else ServerFailed
            raise kind(f"{self}: {_reason(error)}") from error
        if reply.status in _SUCCESS:
            return reply.data
        raise self._failure(reply.status, protocol.read_error(reply.data))

    def _failure(self, status: int, name: str) -> Exception:
        """Return the exception for an unsuccessful reply.

        The body must name an error of the protocol. Another server at the address may reply 404
        as well.
        """
        text = f"{self}: answered {status} {name}".rstrip()
        if (status, name) == (404, "IndexNotFound"):
            return IndexMissing(text)
        if (status, name) == (409, "VersionMismatch"):
            return VersionConflict(text)
        if (status, name) == (503, "SearchTimeout"):
            return ServerTimedOut(text)
        if status in _REFUSALS and name:
            return RequestRefused(f"{text} to a request for the index {self._index}")
        return ServerFailed(text)

    def _read(self, read: Callable[[bytes], Read], body: bytes) -> Read:
        try:
            return read(body)
        except protocol.BadReply as error:
            raise ServerFailed(f"{self}: {error}") from error


def _is_timeout(error: HTTPError) -> bool:
    return isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError)


def _reason(error: HTTPError) -> str:
    """Return a short reason. The library's own text contains representations of objects."""
    if isinstance(error, NewConnectionError):
        return "does not accept connections"
    if _is_timeout(error):
        return "did not answer in time"
    return f"broke the connection ({type(error).__name__})"

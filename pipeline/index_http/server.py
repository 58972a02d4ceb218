"""One server, one index: the requests of fpindex's protocol that the pipeline needs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeVar

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError  # noqa: A004

from pipeline.index_http import wire
from pipeline.index_http.errors import (
    IndexMissing,
    RequestRefused,
    ServerFailed,
    VersionConflict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.index import Change, Hits

Read = TypeVar("Read")

CONNECT_TIMEOUT: Final = 1.0
"""Seconds after which a server that does not take the connection counts as away."""

MAX_SEARCH_TIMEOUT: Final = 10_000
"""Milliseconds that a server lets a search take at most."""

_SUCCESS: Final = frozenset({200, 202})
_REFUSALS: Final = frozenset({400, 403, 409, 415, 501})
_HEADERS: Final = {"Content-Type": wire.CONTENT_TYPE, "Accept": wire.CONTENT_TYPE}


class IndexServer:
    """A pool of connections to one server, for one index; for use by several threads.

    Nothing connects before the first request. Every method takes the seconds it may last, and
    raises `ServerFailed` if no usable answer comes: the server is away, slow, not ready, failing,
    or speaks something else; and `RequestRefused` if the server wants none of it.
    """

    def __init__(self, host: str, port: int, index: str, connections: int = 1) -> None:
        """Prepare the pool.

        Args:
            host: name or address.
            port: TCP port.
            index: the index's name on the server.
            connections: kept open, once that many were needed at the same time.
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
            limits: most hits, lowest score, and percentage of the best score.
            timeout: seconds.

        Raises:
            IndexMissing: there is no such index.
        """
        milliseconds = min(MAX_SEARCH_TIMEOUT, math.ceil(timeout * 1000))
        body = wire.search_body(query, *limits, max(1, milliseconds))
        return self._read(wire.read_hits, self._request("POST", "/_search", timeout, body))

    def state(self, timeout: float) -> wire.IndexState:
        """Return what the server tells of the index.

        Raises:
            IndexMissing: there is no such index.
        """
        return self._read(wire.read_state, self._request("GET", "", timeout))

    def create(self, timeout: float) -> None:
        """Create the index, empty; one that exists is left as it is."""
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
            metadata: put into the index's own, key by key.
            version: at which the index must be.
            timeout: seconds.

        Raises:
            VersionConflict: the index is at another version; nothing was changed.
            IndexMissing: there is no such index.
        """
        body = wire.update_body(changes, metadata, version)
        return self._read(wire.read_version, self._request("POST", "/_update", timeout, body))

    def close(self) -> None:
        """Close the connections that are not in use."""
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
            raise ServerFailed(f"{self}: {_reason(error)}") from error
        if reply.status in _SUCCESS:
            return reply.data
        raise self._failure(reply.status, wire.read_error(reply.data))

    def _failure(self, status: int, name: str) -> Exception:
        """Return the exception for a reply that is no success.

        Only an error of the protocol counts as the index's own answer: whatever else listens at
        the address may say 404 too.
        """
        told = f"{self}: answered {status} {name}".rstrip()
        if (status, name) == (404, "IndexNotFound"):
            return IndexMissing(told)
        if (status, name) == (409, "VersionMismatch"):
            return VersionConflict(told)
        if status in _REFUSALS and name:
            return RequestRefused(f"{told} when asked about the index {self._index}")
        return ServerFailed(told)

    def _read(self, read: Callable[[bytes], Read], body: bytes) -> Read:
        try:
            return read(body)
        except wire.BadReply as error:
            raise ServerFailed(f"{self}: {error}") from error


def _reason(error: HTTPError) -> str:
    """Return what went wrong in words, without the objects that the library's own text quotes."""
    if isinstance(error, NewConnectionError):
        return "does not take connections"
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    return f"broke the connection ({type(error).__name__})"

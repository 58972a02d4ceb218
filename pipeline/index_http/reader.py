"""Searches an index on any of several servers, in batches of queries."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.index import Hits, IndexStats
from pipeline.index_http.failover import Failover, ServerPositions
from pipeline.index_http.protocol import (
    IndexMissing,
    IndexState,
    ServerBehind,
    ServerStateRefused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from numpy.typing import NDArray

    from pipeline.index import ChangelogState
    from pipeline.index.changelog_state import Accept
    from pipeline.index_http.client import IndexServerClient

STATE_MAX_AGE: Final = 1.0
"""Seconds for which a server's state counts as current, so that few searches request it.

`HttpIndexUpdater` creates a missing index later than that. So every reader detects that an index
was deleted before it is filled again.
"""


class _Limits(NamedTuple):
    """The limits of a search; see `HttpIndexReader.search`."""

    limit: int
    min_score: int
    score_pct: int


class _Observed(NamedTuple):
    """The state of a server, and the `time.monotonic` at which it was requested."""

    state: IndexState
    sent: float


class HttpIndexReader:
    """A `FingerprintIndex` on servers. A context manager. Thread-safe.

    If no server has the index, it is empty and at position 0, like a missing local index; with
    `accept`, the caller decides. A search finds all changes up to the position that was last
    returned, on any server.

    Every method raises `IndexUnavailable` if no server answers, `SearchTimeout` if none answers in
    time, and `RequestRefused` if a server rejects the request.
    """

    def __init__(
        self, servers: Sequence[IndexServerClient], *, timeout: float = 5.0, connections: int = 4
    ) -> None:
        """Prepare the reader. It connects at the first request.

        Args:
            servers: one or more servers of the same index, the preferred one first.
            timeout: maximum seconds for a call, which may be a batch of queries.
            connections: queries of a batch to send at the same time.
        """
        self._failover = Failover(servers)
        self._positions = ServerPositions()
        self._observed: dict[IndexServerClient, _Observed] = {}
        self._timeout = timeout
        self._connections = connections
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None

    def __enter__(self) -> HttpIndexReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def search(
        self,
        queries: Sequence[NDArray[np.uint32]],
        *,
        limit: int = 40,
        min_score: int = 1,
        score_pct: int = 10,
        max_postings: int | None = None,  # noqa: ARG002 - a request has no such field
        timeout: float | None = None,
        accept: Accept | None = None,
    ) -> list[Hits]:
        """Find the documents that share the most terms with each query.

        Args:
            queries: terms of each query, uint32, in any order, duplicates count once.
            limit: maximum number of hits of a query; a server returns 100 at most.
            min_score: minimum number of terms that a hit shares, at least 1.
            score_pct: hits below floor(best * score_pct / 100) are dropped, 0 to 100.
            max_postings: has no effect; a server may have a limit of its own.
            timeout: maximum seconds for all queries together; no more than those of the reader.
            accept: is called with the state of each server that is searched, which is at most
                `STATE_MAX_AGE` seconds old. If it returns False, another server is searched.

        Returns:
            One `Hits` for each query, in the order of `queries`.

        Raises:
            StateRefused: `accept` has returned False for the servers that answer.
        """
        limits = _Limits(limit, min_score, score_pct)
        seconds = self._timeout if timeout is None else min(timeout, self._timeout)
        deadline = time.monotonic() + seconds
        if len(queries) == 1:
            return [self._search(queries[0], limits, deadline, accept)]
        futures = [
            self._pool().submit(self._search, query, limits, deadline, accept) for query in queries
        ]
        return _results(futures)

    def position(self) -> int:
        """Return the changelog position of the index, 0 if no server has the index."""
        position = self._request_state(self._state_to_report).position
        self._positions.report(position)
        return position

    def changelog_state(self, accept: Accept | None = None) -> ChangelogState | None:
        """Return the part of the changelog that the index contains, None if there is no index.

        Like `position`, it is a lower bound for later searches.

        Args:
            accept: is called with the state of a server. If it returns False, another server is
                used.

        Raises:
            StateRefused: `accept` has returned False for the servers that answer.
        """

        def send(server: IndexServerClient, seconds: float) -> IndexState:
            state = self._state_to_report(server, seconds)
            if accept is not None:
                _require_accepted(server, state, accept)
            return state

        found = self._request_state(send)
        self._positions.report(found.position)
        return _changelog_state(found)

    def stats(self) -> IndexStats:
        """Return the size of the index. `bytes` is 0: a server does not report it."""
        state = self._request_state(self._state)
        return IndexStats(
            position=state.position,
            documents=state.documents,
            segments=state.segments,
            bytes=0,
            min_document_id=state.min_document_id,
            max_document_id=state.max_document_id,
        )

    def close(self) -> None:
        """Close the connections. The reader cannot be used afterwards."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(cancel_futures=True)
        self._failover.close()

    def _search(
        self,
        query: NDArray[np.uint32],
        limits: _Limits,
        deadline: float,
        accept: Accept | None,
    ) -> Hits:
        if not query.size:
            return _no_hits()

        def send(server: IndexServerClient, seconds: float) -> Hits:
            if accept is None:
                return self._search_on(server, query, limits, seconds)
            return self._search_accepted(server, query, limits, seconds, accept)

        return self._failover.request(send, deadline)

    def _search_on(
        self,
        server: IndexServerClient,
        query: NDArray[np.uint32],
        limits: _Limits,
        seconds: float,
    ) -> Hits:
        if not self._positions.has_reached(server):
            seconds /= 2
            self._state_to_report(server, seconds)
        try:
            return server.search(query, limits, seconds)
        except IndexMissing as error:
            if self._positions.reported:
                raise ServerBehind(f"{server}: no longer has the index") from error
            return _no_hits()

    def _search_accepted(
        self,
        server: IndexServerClient,
        query: NDArray[np.uint32],
        limits: _Limits,
        seconds: float,
        accept: Accept,
    ) -> Hits:
        observed = self._observed.get(server)
        if (
            observed is None
            or time.monotonic() - observed.sent > STATE_MAX_AGE
            or not self._positions.has_reached(server)
        ):
            seconds /= 2
            state = self._state_to_report(server, seconds)
        else:
            state = observed.state
        _require_accepted(server, state, accept)
        if not state.exists:
            return _no_hits()
        try:
            return server.search(query, limits, seconds)
        except IndexMissing as error:
            self._observed.pop(server, None)
            raise ServerStateRefused(f"{server}: no longer has the index", None) from error

    def _request_state(self, send: Callable[[IndexServerClient, float], IndexState]) -> IndexState:
        return self._failover.request(send, time.monotonic() + self._timeout)

    def _state(self, server: IndexServerClient, seconds: float) -> IndexState:
        sent = time.monotonic()
        try:
            state = server.state(seconds)
        except IndexMissing:
            state = IndexState(version=0, position=0, exists=False)
        self._observed[server] = _Observed(state, sent)
        self._positions.observe(server, state.position, sent)
        return state

    def _state_to_report(self, server: IndexServerClient, seconds: float) -> IndexState:
        state = self._state(server, seconds)
        if not self._positions.has_reached(server):
            raise ServerBehind(f"{server}: is at position {state.position}, behind another server")
        return state

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._connections, "index-search")
            return self._executor


def _changelog_state(state: IndexState) -> ChangelogState | None:
    return state.changelog_state() if state.exists else None


def _require_accepted(server: IndexServerClient, state: IndexState, accept: Accept) -> None:
    found = _changelog_state(state)
    if not accept(found):
        raise ServerStateRefused(f"{server}: its index is not accepted", found)


def _results(futures: Sequence[Future[Hits]]) -> list[Hits]:
    """Return all results in order. If one fails, cancel the queries that were not sent yet."""
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def _no_hits() -> Hits:
    return Hits(np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int32))

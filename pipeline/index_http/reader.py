"""Searches an index on any of several servers, in batches of queries."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index import Hits, IndexStats
from pipeline.index_http.failover import Failover, ServerPositions
from pipeline.index_http.protocol import IndexMissing, IndexState, ServerBehind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from numpy.typing import NDArray

    from pipeline.index_http.client import IndexServerClient


class HttpIndexReader:
    """A `FingerprintIndex` on servers. A context manager. Thread-safe.

    If no server has the index, it is empty and at position 0, like a missing local index. A search
    finds all changes up to the position that was last returned, on any server.

    Every method raises `IndexUnavailable` if no server answers, `SearchTimeout` if none answers in
    time, and `RequestRefused` if a server rejects the request.
    """

    def __init__(
        self, servers: Sequence[IndexServerClient], *, timeout: float = 5.0, connections: int = 4
    ) -> None:
        """Prepare the reader. It connects at the first request.

        Args:
            servers: one or more servers of the same index, the preferred one first.
            timeout: seconds for a call, which may be a batch of queries.
            connections: queries of a batch to send at the same time.
        """
        self._failover = Failover(servers)
        self._positions = ServerPositions()
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
        max_postings: int | None = None,  # noqa: ARG002 - a server has its own limit
        timeout: float | None = None,
    ) -> list[Hits]:
        """Find the documents that share the most terms with each query.

        Args:
            queries: terms of each query, uint32, in any order, duplicates count once.
            limit: maximum number of hits of a query; a server returns 100 at most.
            min_score: minimum number of terms that a hit shares, at least 1.
            score_pct: hits below floor(best * score_pct / 100) are dropped, 0 to 100.
            max_postings: has no effect.
            timeout: seconds for all queries together, by default those of the reader.

        Returns:
            One `Hits` for each query, in the order of `queries`.
        """
        limits = (limit, min_score, score_pct)
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        if len(queries) == 1:
            return [self._search(queries[0], limits, deadline)]
        futures = [self._pool().submit(self._search, query, limits, deadline) for query in queries]
        return _results(futures)

    def position(self) -> int:
        """Return the changelog position of the index, 0 if no server has the index."""
        position = self._request_state(self._state_to_report).position
        self._positions.report(position)
        return position

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
        self, query: NDArray[np.uint32], limits: tuple[int, int, int], deadline: float
    ) -> Hits:
        if not query.size:
            return _no_hits()
        return self._failover.request(
            lambda server, seconds: self._search_on(server, query, limits, seconds), deadline
        )

    def _search_on(
        self,
        server: IndexServerClient,
        query: NDArray[np.uint32],
        limits: tuple[int, int, int],
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

    def _request_state(self, send: Callable[[IndexServerClient, float], IndexState]) -> IndexState:
        return self._failover.request(send, time.monotonic() + self._timeout)

    def _state(self, server: IndexServerClient, seconds: float) -> IndexState:
        sent = time.monotonic()
        try:
            state = server.state(seconds)
        except IndexMissing:
            state = IndexState(version=0, position=0)
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


def _results(futures: Sequence[Future[Hits]]) -> list[Hits]:
    """Return all results in order. If one fails, cancel the queries that were not sent yet."""
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def _no_hits() -> Hits:
    return Hits(np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int32))

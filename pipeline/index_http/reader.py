"""Searches an index on any of several servers, many queries at a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index import Hits, IndexStats
from pipeline.index_http.errors import IndexMissing, ServerBehind
from pipeline.index_http.horizon import Horizon
from pipeline.index_http.servers import IndexServers
from pipeline.index_http.wire import IndexState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from numpy.typing import NDArray

    from pipeline.index_http.server import IndexServer


class HttpIndexReader:
    """A `FingerprintIndex` on servers; a context manager, for use by several threads.

    Where no server has the index it is empty at position 0, as a local one is. A search finds
    all that was in the index at the last `position`, whichever server answers.

    Every method raises `IndexUnavailable` if no server answers, `SearchTimeout` if none does in
    time, and `RequestRefused` if one refuses the request as such.
    """

    def __init__(
        self, servers: Sequence[IndexServer], *, timeout: float = 5.0, connections: int = 4
    ) -> None:
        """Prepare to ask; nothing connects before the first question.

        Args:
            servers: of the same index, at least one, the preferred first.
            timeout: seconds for a call, a batch of queries included.
            connections: queries of a batch that are under way at once.
        """
        self._servers = IndexServers(servers)
        self._horizon = Horizon()
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
        max_postings: int | None = None,  # noqa: ARG002 - a server has a bound of its own
        timeout: float | None = None,
    ) -> list[Hits]:
        """Find the documents that share the most terms with each query.

        Args:
            queries: terms of each query, uint32, any order, duplicates count once.
            limit: most hits a query may have; a server gives 100 at most.
            min_score: fewest terms a hit must share, at least 1.
            score_pct: hits below floor(best * score_pct / 100) are dropped, 0 to 100.
            max_postings: without effect.
            timeout: seconds for all queries together, by default the reader's own.

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
        """Return the changelog position that the index has reached, 0 where there is none."""
        position = self._ask_state(self._state_to_tell).position
        self._horizon.tell(position)
        return position

    def stats(self) -> IndexStats:
        """Return the size of the index; of its bytes a server tells nothing, so they are 0."""
        state = self._ask_state(self._state)
        return IndexStats(
            position=state.position,
            documents=state.documents,
            segments=state.segments,
            bytes=0,
            min_document_id=state.min_document_id,
            max_document_id=state.max_document_id,
        )

    def close(self) -> None:
        """Close the connections; nothing can be asked afterwards."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(cancel_futures=True)
        self._servers.close()

    def _search(
        self, query: NDArray[np.uint32], limits: tuple[int, int, int], deadline: float
    ) -> Hits:
        if not query.size:
            return _no_hits()
        return self._servers.ask(
            lambda server, seconds: self._search_on(server, query, limits, seconds), deadline
        )

    def _search_on(
        self,
        server: IndexServer,
        query: NDArray[np.uint32],
        limits: tuple[int, int, int],
        seconds: float,
    ) -> Hits:
        if not self._horizon.reaches(server):
            seconds /= 2
            self._state_to_tell(server, seconds)
        try:
            return server.search(query, limits, seconds)
        except IndexMissing as error:
            if self._horizon.told:
                raise ServerBehind(f"{server}: has the index no more") from error
            return _no_hits()

    def _ask_state(self, question: Callable[[IndexServer, float], IndexState]) -> IndexState:
        return self._servers.ask(question, time.monotonic() + self._timeout)

    def _state(self, server: IndexServer, seconds: float) -> IndexState:
        asked = time.monotonic()
        try:
            state = server.state(seconds)
        except IndexMissing:
            state = IndexState(version=0, position=0)
        self._horizon.see(server, state.position, asked)
        return state

    def _state_to_tell(self, server: IndexServer, seconds: float) -> IndexState:
        state = self._state(server, seconds)
        if not self._horizon.reaches(server):
            raise ServerBehind(f"{server}: is at position {state.position}, behind another server")
        return state

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._connections, "index-search")
            return self._executor


def _results(futures: Sequence[Future[Hits]]) -> list[Hits]:
    """Return all results in order; when one fails, spare the servers those not yet begun."""
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def _no_hits() -> Hits:
    return Hits(np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int32))

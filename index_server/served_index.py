"""One index as the server offers it: searched by many threads, changed by many threads."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from index_server.commits import Commits
from index_server.errors import IndexNotFoundError, SearchTimeoutError
from index_server.http.requests import SearchRequest, Update
from index_server.metrics import Metrics
from pipeline.index import (
    FingerprintIndexError,
    Hits,
    IndexReader,
    IndexStats,
    SearchTimeout,
    open_reader,
)
from pipeline.rules import SERVED_MAX_POSTINGS


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What is told of an index.

    Attributes:
        metadata: what clients keep with it.
        stats: its version, as position, and its size.
    """

    metadata: dict[str, str]
    stats: IndexStats


class ServedIndex:
    """A named index in one of its generations.

    Args:
        name: what clients call it.
        generation: which index of that name it is.
        folder: the engine's; it is created if there is none.
        metrics: count what happens to it.

    Raises:
        FingerprintIndexError: it cannot be opened.
    """

    def __init__(self, name: str, generation: int, folder: Path, metrics: Metrics) -> None:
        self.name = name
        self.generation = generation
        self._commits = Commits(folder, metrics.checkpoints.inc, metrics.merged)
        self._reader = open_reader(folder)
        self._closed = False
        self._metrics = metrics.for_index(name)

    def search(self, request: SearchRequest) -> Hits:
        """Return the fingerprints that share the most terms with the query.

        Raises:
            SearchTimeoutError: it was not done in time.
            IndexNotFoundError: the index is deleted.
        """
        began = time.perf_counter()
        try:
            with self._reading() as reader:
                (hits,) = reader.search(
                    [request.query],
                    limit=request.limit,
                    min_score=request.min_score,
                    score_pct=request.score_pct,
                    max_postings=SERVED_MAX_POSTINGS,
                    timeout=request.timeout,
                )
        except SearchTimeout:
            raise SearchTimeoutError from None
        self._metrics.searched(time.perf_counter() - began, hit=bool(hits.ids.size))
        return hits

    def update(self, update: Update) -> int:
        """Apply an update, durably, and return its version.

        Raises:
            VersionMismatchError: the index is at another version than expected.
            IndexNotFoundError: the index is deleted.
            OSError: the disk is full or failing.
        """
        began = time.perf_counter()
        version = self._commits.commit(update)
        self._metrics.updated(time.perf_counter() - began)
        return version

    def version(self) -> int:
        """Return the version of the last update."""
        with self._reading() as reader:
            return reader.position()

    def version_of(self, document: int) -> int | None:
        """Return a version that has the newest content of a fingerprint, None if there is none."""
        with self._reading() as reader:
            return reader.version_of(document)

    def info(self) -> IndexInfo:
        """Return metadata and size."""
        with self._reading() as reader:
            return IndexInfo(reader.metadata(), reader.stats())

    def files(self) -> list[tuple[str, memoryview]]:
        """Return name and content of each file of the state in force; see `IndexReader.files`."""
        with self._reading() as reader:
            return reader.files()

    def close(self) -> None:
        """Let the update under way end, and refuse all later ones."""
        self._commits.close()
        self._closed = True
        self._reader.close()

    @contextmanager
    def _reading(self) -> Iterator[IndexReader]:
        """Read, unless the index is deleted meanwhile: then its files may be half gone."""
        if self._closed:
            raise IndexNotFoundError
        try:
            yield self._reader
        except (FingerprintIndexError, OSError):
            if not self._closed:
                raise
        if self._closed:
            raise IndexNotFoundError

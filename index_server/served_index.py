"""One index of the server. Many threads search and update it at the same time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index_server.damaged_indexes import DamagedIndexes, damage_text
from index_server.errors import IndexDamagedError, IndexNotFoundError, SearchTimeoutError
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.update_batching import GroupCommitWriter, UpdateRequest
from pipeline.index import (
    FingerprintIndexError,
    Hits,
    IndexCorrupt,
    IndexReader,
    IndexStats,
    SearchTimeout,
    open_reader,
)
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.storage.scrub import Scrub

DEFAULT_TIMEOUT: Final = 500  # milliseconds
DEFAULT_LIMIT: Final = 40
DEFAULT_SCORE_PCT: Final = 10

REFRESH_EVERY: Final = 0.25
"""Seconds after which a search looks for a new state of the index though no update was committed.

That finds merges and lost files. Each look is a system call, during which other threads take the
interpreter.
"""


@dataclass(frozen=True, slots=True, eq=False)
class SearchRequest:
    """A search with limits that the server allows.

    Attributes:
        query: the terms, uint32, shape (n,), in any order, duplicates allowed.
        timeout: the time limit in seconds; None for no limit.
        limit: the maximum number of results.
        min_score: the minimum number of terms that a result shares.
        score_pct: results below this percentage of the best score are dropped.
    """

    query: NDArray[np.uint32]
    timeout: float | None = DEFAULT_TIMEOUT / 1000
    limit: int = DEFAULT_LIMIT
    min_score: int = 1
    score_pct: int = DEFAULT_SCORE_PCT


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """Metadata and size of an index.

    Attributes:
        metadata: the texts that clients store with the index.
        stats: the size; `position` is the version.
    """

    metadata: dict[str, str]
    stats: IndexStats


class ServedIndex:
    """One generation of a named index. Thread-safe.

    Args:
        name: the name of the index.
        generation: the generation of the index.
        folder: the folder of the engine; it is created if it does not exist.
        metrics: the metrics of the server.
        damaged: receives damage that is found later.
        max_postings: maximum number of postings of a search that find fingerprints; None for exact
            searches.
        only_intact: serve the intact segments of a damaged index, without updates.

    Raises:
        FingerprintIndexError: the index cannot be opened.
    """

    def __init__(
        self,
        name: str,
        generation: int,
        folder: Path,
        metrics: IndexServerMetrics,
        damaged: DamagedIndexes,
        *,
        max_postings: int | None = None,
        only_intact: bool = False,
    ) -> None:
        self.name = name
        self.generation = generation
        self._count_checkpoint = metrics.checkpoints.inc
        self._commits = 0
        self._commits_read = 0  # those that the reader has read at least
        self._refresh_due = 0.0
        self._damaged = damaged
        self._is_refused = False
        self._only_intact = only_intact
        self._scrub = Scrub(INDEX_FORMAT, folder)
        self._writer = (
            None if only_intact else GroupCommitWriter(folder, self._committed, metrics.merged)
        )
        self._reader = open_reader(folder, must_exist=True, only_intact=only_intact)
        self._closed = False
        self._max_postings = max_postings
        self._metrics = metrics.for_index(name)

    def search(self, request: SearchRequest) -> Hits:
        """Return the fingerprints that share the most terms with the query.

        Raises:
            SearchTimeoutError: the search took longer than its timeout.
            IndexNotFoundError: the index is deleted.
            IndexDamagedError: files are damaged.
        """
        began = time.perf_counter()
        try:
            with self._reading() as reader:
                self._refresh(reader, began)
                (hits,) = reader.search(
                    [request.query],
                    limit=request.limit,
                    min_score=request.min_score,
                    score_pct=request.score_pct,
                    max_postings=self._max_postings,
                    timeout=request.timeout,
                    refresh=False,
                )
        except SearchTimeout:
            raise SearchTimeoutError from None
        seconds = time.perf_counter() - began
        self._metrics.searches.add(hits, seconds)
        return hits

    def update(self, request: UpdateRequest) -> int:
        """Apply an update durably and return its version.

        Raises:
            VersionMismatchError: the index does not have the expected version.
            IndexNotFoundError: the index is deleted.
            IndexDamagedError: files are damaged.
            OSError: the disk is full or failing.
        """
        began = time.perf_counter()
        if self._writer is None or self._is_refused:
            raise IndexDamagedError
        try:
            version = self._writer.commit(request)
        except IndexCorrupt as error:
            raise self._damage(error) from error
        self._metrics.updated(time.perf_counter() - began)
        return version

    def version(self) -> int:
        """Return the version of the last update."""
        with self._reading() as reader:
            return reader.position()

    def version_of(self, document: int) -> int | None:
        """Return a version that contains the current content of a fingerprint; None if absent."""
        with self._reading() as reader:
            return reader.version_of(document)

    def info(self) -> IndexInfo:
        """Return metadata and size."""
        with self._reading() as reader:
            return IndexInfo(reader.metadata(), reader.stats())

    def files(self) -> list[tuple[str, memoryview]]:
        """Return name and content of each file of the current state, see `IndexReader.files`."""
        with self._reading() as reader:
            return reader.files()

    def scrub(self, most: int) -> None:
        """Read a part of the files; refuse the index if they are damaged.

        Args:
            most: maximum number of bytes.
        """
        if self._closed or self._only_intact or self._is_refused:
            return
        error = self._scrub.step(most)
        if isinstance(error, IndexCorrupt) and not self._closed:
            self._is_refused = True
            self._damage(error)

    def close(self) -> None:
        """Wait for the current update, then refuse all later ones."""
        if self._writer is not None:
            self._writer.close()
        self._closed = True
        self._reader.close()

    def _committed(self) -> None:
        """Count a commit, before any of its updates is acknowledged."""
        self._commits += 1  # one thread commits at a time
        self._count_checkpoint()

    def _refresh(self, reader: IndexReader, now: float) -> None:
        """Read the current state after a commit, or `REFRESH_EVERY` seconds after the last time."""
        commits = self._commits
        if commits != self._commits_read or now >= self._refresh_due:
            reader.refresh()
            if now >= self._refresh_due and not self._only_intact:
                # A part of a mapped file that was cut off would end the process.
                reader.check_files()
                self._damaged.forget(self.name)
            # Only now: until then, concurrent searches must read the state too.
            self._commits_read, self._refresh_due = commits, now + REFRESH_EVERY

    @contextmanager
    def _reading(self) -> Iterator[IndexReader]:
        """Provide the reader.

        If the index is deleted in the meantime, files may be missing. Any error is then replaced
        by `IndexNotFoundError`.
        """
        if self._closed:
            raise IndexNotFoundError
        if self._is_refused:
            raise IndexDamagedError
        try:
            yield self._reader
        except (FingerprintIndexError, OSError) as error:
            if not self._closed:
                if isinstance(error, IndexCorrupt):
                    raise self._damage(error) from error
                raise
        if self._closed:
            raise IndexNotFoundError

    def _damage(self, error: IndexCorrupt) -> IndexDamagedError:
        """Report damage; return the error of the client."""
        self._damaged.report(self.name, damage_text(error))
        return IndexDamagedError()

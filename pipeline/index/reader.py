"""Readers: any number of processes that search an index while it is written.

A search imports the loops. A process that only asks for positions and sizes loads no Numba.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.index.changelog_state import ChangelogState
from pipeline.index.errors import StateRefused
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.index.interface import Hits, IndexStats
from pipeline.index.segments.sorted_ids import contains
from pipeline.storage.format import MANIFEST_NAME
from pipeline.storage.manifest import encode_manifest
from pipeline.storage.snapshot import LatestSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from pipeline.index.changelog_state import Accept
    from pipeline.index.index_manifest import IndexManifest
    from pipeline.index.segments.segment_set import SegmentSet
    from pipeline.storage.snapshot import Snapshot

    IndexSnapshot = Snapshot[IndexManifest, SegmentSet]

CHECK_FILES_EVERY: Final = 0.25
"""Seconds between two checks of the files; a check takes one `stat` per file."""


def open_reader(
    path: str | Path, *, must_exist: bool = False, only_intact: bool = False
) -> IndexReader:
    """Open an index for searching.

    If there is no index, the reader is empty at position 0; it reads the index once that exists.

    Args:
        path: the folder of the index.
        must_exist: a missing manifest is an error, also later: its folder was moved away.
        only_intact: read the intact segments of an index with damaged ones. Documents of damaged
            segments are missing, and older versions of them may be found.

    Raises:
        IndexCorrupt: a file is missing, or its header, footer, tables or length is wrong.
    """
    return IndexReader(Path(path), must_exist=must_exist, only_intact=only_intact)


class IndexReader:
    """Searches the newest committed state. A context manager. Thread-safe.

    Every call uses a single state. It begins with `refresh`, apart from some searches.
    """

    def __init__(
        self, directory: Path, *, must_exist: bool = False, only_intact: bool = False
    ) -> None:
        """Load the index in `directory`; use `open_reader`."""
        self._latest = LatestSnapshot(
            INDEX_FORMAT, directory, must_exist=must_exist, only_intact=only_intact
        )
        self._latest.load()
        self._files_due = 0.0
        self._last_state: tuple[IndexSnapshot, ChangelogState | None] | None = None

    def __enter__(self) -> IndexReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def refresh(self) -> bool:
        """Read the current state if the manifest has changed; otherwise, this takes one `stat`.

        Returns:
            Whether there was a new state.

        Raises:
            IndexCorrupt: see `open_reader`.
        """
        return self._latest.refresh()

    def search(  # noqa: PLR0913 - the options of one search
        self,
        queries: Sequence[NDArray[np.uint32]],
        *,
        limit: int = 40,
        min_score: int = 1,
        score_pct: int = 10,
        max_postings: int | None = None,
        timeout: float | None = None,
        accept: Accept | None = None,
        refresh: bool = True,
    ) -> list[Hits]:
        """Find the documents that share the most terms with each query.

        Args:
            queries: terms of each query, uint32, any order, duplicates count once.
            limit: maximum number of hits of a query, at least 1.
            min_score: minimum number of terms that a hit shares, at least 1.
            score_pct: hits below floor(best * score_pct / 100) are dropped, 0 to 100.
            max_postings: maximum number of postings that may add documents to a query's answer; see
                `FingerprintIndex.search`.
            timeout: maximum seconds for the search, None for no limit.
            accept: is called with the state that is searched. With it, the files are checked at
                intervals: a truncated file that is mapped would end the process, and a file that
                was replaced is opened again.
            refresh: whether to begin with `refresh`. Without it the search uses the state that was
                read last: for callers that are told of every commit.

        Returns:
            One `Hits` for each query, in the order of `queries`.

        Raises:
            SearchTimeout: the search exceeded the timeout.
            TypeError: a query is not a uint32 array.
            ValueError: a query has more than one dimension, or a limit is out of range.
            IndexCorrupt: see `open_reader`.
            StateRefused: `accept` has returned False.
        """
        from pipeline.index.search.search import Limits, search  # noqa: PLC0415 - loops

        snapshot = self._latest.get() if refresh else self._latest.last_read()
        if accept is not None:
            if time.monotonic() >= self._files_due:
                snapshot = self._check_files()
            self._accepted(snapshot, accept)
        return search(
            snapshot.segments,
            queries,
            Limits(limit, min_score, score_pct, max_postings, timeout),
        )

    def position(self) -> int:
        """Return the position of the last commit, 0 if there is no index."""
        return self._latest.get().manifest.position

    def changelog_state(self, accept: Accept | None = None) -> ChangelogState | None:
        """Return the part of the changelog that the index contains, None if there is no index.

        Args:
            accept: is called with the state.

        Raises:
            IndexCorrupt: see `open_reader`; the lengths of all files are checked too.
            StateRefused: `accept` has returned False.
        """
        self._latest.get()
        snapshot = self._check_files()
        return self._accepted(snapshot, accept or (lambda _state: True))

    def stats(self) -> IndexStats:
        """Return the size of the index."""
        snapshot = self._latest.get()
        segments = snapshot.segments
        bounds = segments.bounds()
        return IndexStats(
            position=snapshot.manifest.position,
            documents=segments.documents(),
            segments=len(segments.segments),
            bytes=segments.size(),
            min_document_id=min(bounds, default=0),
            max_document_id=max(bounds, default=0),
        )

    def metadata(self) -> dict[str, str]:
        """Return the metadata of the index, texts by key."""
        return dict(self._latest.get().manifest.metadata)

    def version_of(self, document: int) -> int | None:
        """Return a position at which the index had the newest version of a document.

        It is the position of the document's segment, so a merge may raise it.

        Returns:
            None if no search can find the document.
        """
        wanted = np.array([document], dtype=np.uint32)
        for segment in reversed(self._latest.get().segments.segments):
            if contains(segment.documents, wanted)[0]:
                return segment.entry.position
            if contains(segment.tombstones, wanted)[0]:
                return None
        return None

    def files(self) -> list[tuple[str, memoryview]]:
        """Return name and content of every file of the current state, the manifest's first.

        The content stays readable while a writer replaces the files.
        """
        snapshot = self._latest.get()
        named = [(each.path.name, each.data) for each in snapshot.segments.segments]
        manifest = encode_manifest(INDEX_FORMAT, snapshot.manifest)
        return [(MANIFEST_NAME, memoryview(manifest)), *named]

    def check_files(self) -> None:
        """Check the lengths of the files; open those that were replaced or changed again.

        Raises:
            IndexCorrupt: a file is missing, has another length, or was changed and is damaged.
        """
        self._check_files()

    def close(self) -> None:
        """Close the files; a later call opens them again."""
        self._latest.close()

    def _check_files(self) -> IndexSnapshot:
        """Check the files; return the current state."""
        self._latest.check_files()
        self._files_due = time.monotonic() + CHECK_FILES_EVERY
        return self._latest.get()

    def _accepted(self, snapshot: IndexSnapshot, accept: Accept) -> ChangelogState | None:
        state = self._state_of(snapshot)
        if not accept(state):
            raise StateRefused(state)
        return state

    def _state_of(self, snapshot: IndexSnapshot) -> ChangelogState | None:
        """Return the state of a snapshot; it is computed once."""
        last = self._last_state
        if last is None or last[0] is not snapshot:
            last = self._last_state = snapshot, _read_state(snapshot)
        return last[1]


def _read_state(snapshot: IndexSnapshot) -> ChangelogState | None:
    if snapshot.is_missing():
        return None
    manifest = snapshot.manifest
    return ChangelogState.read(
        manifest.position,
        manifest.metadata,
        lambda: max(snapshot.segments.bounds(), default=0),
    )

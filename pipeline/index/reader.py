"""Readers: any number of processes that search an index while it is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.index.interface import Hits, IndexStats
from pipeline.index.search.search import Limits, search
from pipeline.index.segments.sorted_ids import contains
from pipeline.storage.format import MANIFEST_NAME
from pipeline.storage.manifest import encode_manifest
from pipeline.storage.snapshot import LatestSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from numpy.typing import NDArray


def open_reader(path: str | Path) -> IndexReader:
    """Open an index for searching.

    Where there is no index yet the reader is empty at position 0; it follows the index once there
    is one.

    Args:
        path: the folder of the index.

    Raises:
        IndexCorrupt: a file is missing or its header, footer or length is wrong; it is named.
    """
    return IndexReader(Path(path))


class IndexReader:
    """Searches the newest committed state; a context manager, for use by several threads.

    Every call begins with `refresh`, and works on one state from beginning to end.
    """

    def __init__(self, directory: Path) -> None:
        """Load the index in `directory`; use `open_reader`."""
        self._latest = LatestSnapshot(INDEX_FORMAT, directory)
        self._latest.load()

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
        """Follow the manifest; costs one `stat` while it stays the same.

        Returns:
            Whether there was a new state.

        Raises:
            IndexCorrupt: see `open_reader`.
        """
        return self._latest.refresh()

    def search(
        self,
        queries: Sequence[NDArray[np.uint32]],
        *,
        limit: int = 40,
        min_score: int = 1,
        score_pct: int = 10,
        max_postings: int | None = None,
        timeout: float | None = None,
    ) -> list[Hits]:
        """Find the documents that share the most terms with each query.

        Args:
            queries: terms of each query, uint32, any order, duplicates count once.
            limit: most hits a query may have, at least 1.
            min_score: fewest terms a hit must share, at least 1.
            score_pct: hits below floor(best * score_pct / 100) are dropped, 0 to 100.
            max_postings: most postings that may bring documents into a query's answer; see
                `FingerprintIndex.search`.
            timeout: seconds that the search may take, None for no limit.

        Returns:
            One `Hits` for each query, in the order of `queries`.

        Raises:
            SearchTimeout: the search was not done in time.
            TypeError: a query is not a uint32 array.
            ValueError: a query has more than one dimension, or a limit is out of range.
            IndexCorrupt: see `open_reader`.
        """
        return search(
            self._latest.get().segments,
            queries,
            Limits(limit, min_score, score_pct, max_postings, timeout),
        )

    def position(self) -> int:
        """Return the position of the last commit, 0 where there is no index."""
        return self._latest.get().manifest.position

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
        """Return the text that the owner keeps with the index, by key."""
        return dict(self._latest.get().manifest.metadata)

    def version_of(self, document: int) -> int | None:
        """Return a position at which the index held the newest version of a document.

        It is that of the segment which holds the document, so a merge may raise it.

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
        """Return name and content of every file of the state in force, the manifest's first.

        They stay readable while a writer replaces them.
        """
        snapshot = self._latest.get()
        named = [(each.path.name, each.data) for each in snapshot.segments.segments]
        manifest = encode_manifest(INDEX_FORMAT, snapshot.manifest)
        return [(MANIFEST_NAME, memoryview(manifest)), *named]

    def close(self) -> None:
        """Close the files; a later call opens them again."""
        self._latest.close()

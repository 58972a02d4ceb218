"""The writer of the store: one at a time; every commit is atomic."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint_store import merging
from pipeline.fingerprint_store.rows import Columns, StoreRow
from pipeline.fingerprint_store.segment import StoreSegment
from pipeline.fingerprint_store.segment_writer import write_segment
from pipeline.fingerprint_store.store_manifest import STORE_FORMAT, StoreManifest, StoreSegments
from pipeline.storage.merge_scheduling import add_and_merge
from pipeline.storage.writer import StorageWriter

Changes = Mapping[int, StoreRow | None]
"""By id: the fingerprint that the store is to hold, or None to delete it."""


def open_store_writer(path: Path, *, clear_damaged: bool = False) -> "StoreWriter":
    """Open a store for writing, creating it empty at position 0 if there is none.

    Args:
        path: the folder of the store.
        clear_damaged: replace a damaged store by an empty one, to rebuild it.

    Raises:
        StoreLocked: another writer holds it.
        StoreCorrupt: a file is missing or damaged; it is named.
    """
    return StoreWriter(StorageWriter(STORE_FORMAT, path, clear_damaged=clear_damaged))


class StoreWriter:
    """Writes a store; a context manager, for one thread.

    A call that fails leaves the old state in force, on the disk and here, and may be repeated.
    """

    def __init__(self, storage: StorageWriter[StoreManifest, StoreSegments]) -> None:
        """Write the store of an open folder; use `open_store_writer`."""
        self._storage = storage

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def position(self) -> int:
        """Return the changelog position of the last commit.

        Raises:
            StoreUnusable: the writer is closed, belongs to another process, or a failed commit
                could not be taken back.
        """
        return self.reached()[0]

    def reached(self) -> tuple[int, int]:
        """Return the position of the last commit, and its stamp (see `StoreManifest`).

        Raises:
            StoreUnusable: see `position`.
        """
        self._storage.require_usable()
        return self._storage.manifest.position, self._storage.manifest.stamp

    def apply(self, changes: Changes, position: int, stamp: int) -> None:
        """Commit changes together with the position they lead up to.

        Args:
            changes: the changes.
            position: the changelog position.
            stamp: when that entry was written, in µs since the epoch.

        Raises:
            OSError: the disk is full or failing.
            ValueError: the position lies before the store's own.
            StoreUnusable: see `position`.
            StoreCorrupt: a merge found damaged words.
        """
        current = self.position()
        if position < current:
            raise ValueError(f"position {position} lies before the store's {current}")
        self._commit(self._added(self._storage.segments, [changes]), position, stamp)

    def rebuild(self, batches: Iterable[Changes], position: int, stamp: int) -> None:
        """Replace the content by that of `batches`; readers see the old one until it is complete.

        Args:
            batches: the new content; of an id that occurs again the last counts.
            position: the changelog position that this leads up to; it may lie before the old one.
            stamp: when that entry was written, in µs since the epoch.

        Raises:
            OSError, StoreUnusable, StoreCorrupt: see `apply`.
        """
        self._storage.require_usable()
        self._commit(self._added(StoreSegments(), batches), position, stamp)

    def close(self) -> None:
        """Release the lock; a second call changes nothing."""
        self._storage.close()

    def _added(self, segments: StoreSegments, batches: Iterable[Changes]) -> StoreSegments:
        return add_and_merge(
            self._storage, segments, batches, self._append, merging.choose_merge, self._merge_run
        )

    def _append(self, segments: StoreSegments, changes: Changes) -> StoreSegments:
        """Write changes as the newest segment; without any, return the same segments."""
        deleted = np.array(sorted(key for key in changes if changes[key] is None), np.uint32)
        tombstones = deleted[merging.held(segments.segments, deleted)]
        columns = Columns.of((key, row) for key, row in changes.items() if row is not None)
        segment = self._write(columns, tombstones)
        return segments.with_segments([*segments.segments, segment]) if segment else segments

    def _merge_run(self, segments: StoreSegments, run: slice) -> StoreSegment | None:
        return self._write(*merging.merged(segments.segments, run))

    def _write(self, columns: Columns, tombstones: NDArray[np.uint32]) -> StoreSegment | None:
        if not columns.ids.size and not tombstones.size:
            return None
        segment: StoreSegment = self._storage.write_segment(
            lambda directory, number: write_segment(directory, number, columns, tombstones)
        )
        return segment

    def _commit(self, segments: StoreSegments, position: int, stamp: int) -> None:
        self._storage.commit(
            lambda _: segments,
            lambda manifest: replace(manifest, position=position, stamp=stamp),
        )

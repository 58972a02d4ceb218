"""The writer of the store. There is one at a time, and every commit is atomic."""

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
from pipeline.storage.checked_files import refuse_known_damage
from pipeline.storage.merge_scheduling import add_and_merge
from pipeline.storage.writer import StorageWriter

Changes = Mapping[int, StoreRow | None]
"""The new fingerprint by id, or None to delete it."""


def open_store_writer(
    path: Path, *, clear_damaged: bool = False, keep_intact: bool = False
) -> "StoreWriter":
    """Open a store for writing, creating it empty at position 0 if there is none.

    The words of a segment are not read. If this process has found damage in them before, in a merge
    or in the scrub, the segment is refused.

    Args:
        path: the folder of the store.
        clear_damaged: move damaged files aside and begin an empty store, to fill it again.
        keep_intact: move the intact files of a damaged store aside too.

    Raises:
        StoreLocked: another writer has it open.
        StoreCorrupt: a file is missing or damaged.
    """
    storage = StorageWriter(
        STORE_FORMAT,
        path,
        clear_damaged=clear_damaged,
        keep_intact=keep_intact,
        check=_refuse_damaged,
    )
    return StoreWriter(storage)


class StoreWriter:
    """Writes a store. A context manager. Not thread-safe.

    A call that fails keeps the old state, on the disk and in memory, and may be repeated.
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
                could not be undone.
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
        """Commit changes together with the position after them.

        Args:
            changes: the changes.
            position: the changelog position.
            stamp: the time of the entry at that position, in µs since the epoch.

        Raises:
            OSError: the disk is full or failing.
            ValueError: the position is below that of the store.
            StoreUnusable: see `position`.
            StoreCorrupt: a merge found damaged words.
        """
        current = self.position()
        if position < current:
            raise ValueError(f"position {position} is below the store's {current}")
        self._commit(self._added(self._storage.segments, [changes]), position, stamp)

    def rebuild(self, batches: Iterable[Changes], position: int, stamp: int) -> None:
        """Replace the content by that of `batches`; readers use the old one until it is complete.

        Args:
            batches: the new content; the last fingerprint of an id wins.
            position: the changelog position of the new content; may be below the old one.
            stamp: the time of the entry at that position, in µs since the epoch.

        Raises:
            OSError, StoreUnusable, StoreCorrupt: see `apply`.
        """
        self._storage.require_usable()
        self._commit(self._added(StoreSegments(), batches), position, stamp)

    def close(self) -> None:
        """Release the lock; a second call has no effect."""
        self._storage.close()

    def _added(self, segments: StoreSegments, batches: Iterable[Changes]) -> StoreSegments:
        return add_and_merge(
            self._storage, segments, batches, self._append, merging.choose_merge, self._merge_run
        )

    def _append(self, segments: StoreSegments, changes: Changes) -> StoreSegments:
        """Write changes as the newest segment; without any, return the same segments."""
        deleted = np.array(sorted(key for key in changes if changes[key] is None), np.uint32)
        tombstones = deleted[merging.stored(segments.segments, deleted)]
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


def _refuse_damaged(segments: StoreSegments) -> None:
    for segment in segments.segments:
        refuse_known_damage(segment)

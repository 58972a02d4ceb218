"""The writer of a store: one at a time, whose every commit is all or nothing."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint_store import merge
from pipeline.fingerprint_store.errors import StoreCorrupt, StoreLocked, StoreUnusable
from pipeline.fingerprint_store.manifest import TEMPORARY_NAME, Manifest, write_manifest
from pipeline.fingerprint_store.rows import Columns, StoreRow
from pipeline.fingerprint_store.segment import Segment
from pipeline.fingerprint_store.segment_format import SUFFIX
from pipeline.fingerprint_store.segment_writer import write_segment
from pipeline.fingerprint_store.snapshot import Snapshot, load_snapshot
from pipeline.storage import files

LOCK_NAME: Final = "lock"

Changes = Mapping[int, StoreRow | None]
"""By id, the fingerprint that is now to be held, or None for one that no longer is."""


def open_store_writer(path: Path, *, clear_damaged: bool = False) -> "StoreWriter":
    """Open a store for writing, creating it empty at position 0 if there is none.

    Args:
        path: the folder of the store.
        clear_damaged: begin an empty store in the place of damaged files, to rebuild it.

    Raises:
        StoreLocked: another writer holds it.
        StoreCorrupt: a file is missing or damaged; it is named.
    """
    files.make_directory(path)
    lock = files.lock(path / LOCK_NAME)
    if lock is None:
        raise StoreLocked(path)
    try:
        return StoreWriter(path, lock, clear_damaged=clear_damaged)
    except BaseException:
        files.unlock(lock)
        raise


class StoreWriter:
    """Writes a store; a context manager, for one thread.

    A commit that fails leaves the old state or the new one on the disk, and a writer that can't
    be used any more: whoever opens the store next reads which it is.
    """

    def __init__(self, directory: Path, lock: int, *, clear_damaged: bool) -> None:
        """Take over a folder of which `lock` is held; use `open_store_writer`."""
        self._directory = directory
        self._lock: int | None = lock
        self._manifest, self._segments = self._load(clear_damaged=clear_damaged)
        self._next = self._manifest.next_segment
        self._sweep()
        self._usable = True

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
        """Return the changelog position of the last commit."""
        return self._manifest.position

    def reached(self) -> tuple[int, int]:
        """Return the position of the last commit, and its stamp (see `Manifest`)."""
        return self._manifest.position, self._manifest.stamp

    def apply(self, changes: Changes, position: int, stamp: int) -> None:
        """Commit changes together with the position they lead up to.

        Args:
            changes: what is held from now on.
            position: the changelog position.
            stamp: when that entry was written, in µs since the epoch.

        Raises:
            OSError: the disk is full or failing.
            ValueError: the position lies before the store's own.
            StoreUnusable: the writer is closed, or an earlier commit failed.
            StoreCorrupt: a merge found damaged words.
        """
        if position < self._manifest.position:
            raise ValueError(f"position {position} lies before the store's {self.position()}")
        self._begin()
        deleted = np.array(sorted(key for key in changes if changes[key] is None), np.uint32)
        tombstones = deleted[merge.held(self._segments, deleted)]
        columns = Columns.of((key, row) for key, row in changes.items() if row is not None)
        segments = list(self._segments)
        if columns.ids.size or tombstones.size:
            segments.append(self._write(columns, tombstones))
        self._commit(self._settled(segments), position, stamp)
        self._usable = True

    def rebuild(self, batches: Iterable[Changes], position: int, stamp: int) -> None:
        """Make the content what `batches` come to; readers go on in the old one meanwhile.

        Args:
            batches: what to hold; of an id that occurs again the last counts.
            position: the changelog position that this leads up to; it may lie before the old one.
            stamp: when that entry was written, in µs since the epoch.
        """
        self._begin()
        segments: list[Segment] = []
        for batch in batches:
            rows = Columns.of((key, row) for key, row in batch.items() if row is not None)
            if rows.ids.size:
                segments = self._settled([*segments, self._write(rows, np.empty(0, np.uint32))])
        self._commit(segments, position, stamp)
        self._usable = True

    def close(self) -> None:
        """Let another writer in; a second time changes nothing."""
        self._usable = False
        lock, self._lock = self._lock, None
        if lock is not None:
            files.unlock(lock)

    def _begin(self) -> None:
        """Check that the writer can be used; it can't until the commit is through."""
        if not self._usable:
            raise StoreUnusable(f"{self._directory}: the writer is closed or failed; open it again")
        self._usable = False

    def _load(self, *, clear_damaged: bool) -> tuple[Manifest, list[Segment]]:
        try:
            snapshot = load_snapshot(self._directory)
        except StoreCorrupt:
            if not clear_damaged:
                raise
            snapshot = Snapshot(Manifest(), (), None)
        snapshot.close()
        if snapshot.is_missing():
            # Readers of the lost store may still know its numbers: none is given out again.
            numbers = [int(path.stem, 16) for path in self._directory.glob(f"*{SUFFIX}")]
            manifest = Manifest(next_segment=max(numbers, default=0) + 1)
            write_manifest(self._directory, manifest)
            return manifest, []
        return snapshot.manifest, list(snapshot.segments)

    def _write(self, columns: Columns, tombstones: NDArray[np.uint32]) -> Segment:
        number, self._next = self._next, self._next + 1
        entry = write_segment(self._directory, number, columns, tombstones)
        return Segment(self._directory, entry)

    def _settled(self, segments: list[Segment]) -> list[Segment]:
        """Merge the newest segments as long as there are enough of about equal size."""
        while count := merge.choose_run([each.entry.size for each in segments], merge.MAX_SEGMENT):
            older, run = segments[:-count], segments[-count:]
            columns, tombstones = merge.merged(run, older)
            segments = older
            if columns.ids.size or tombstones.size:
                segments = [*older, self._write(columns, tombstones)]
            self._drop(run, older)
        return segments

    def _drop(self, run: list[Segment], kept: list[Segment]) -> None:
        """Delete merged segments that no manifest has ever named."""
        named = {each.entry.number for each in (*self._segments, *kept)}
        for segment in run:
            if segment.entry.number not in named:
                files.remove(segment.path)

    def _commit(self, segments: list[Segment], position: int, stamp: int) -> None:
        entries = tuple(segment.entry for segment in segments)
        manifest = Manifest(position, stamp, self._next, entries)
        write_manifest(self._directory, manifest)
        self._manifest, self._segments = manifest, segments
        self._sweep_files()

    def _sweep(self) -> None:
        """Delete what a crash left behind, once the manifest that was read is durable."""
        files.sync_directory(self._directory)
        files.remove(self._directory / TEMPORARY_NAME)
        self._sweep_files()

    def _sweep_files(self) -> None:
        named = {entry.file_name for entry in self._manifest.segments}
        for path in self._directory.glob(f"*{SUFFIX}"):
            self._next = max(self._next, int(path.stem, 16) + 1)
            if path.name not in named:
                files.remove(path)

"""The writer: the one process that changes an index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from pipeline.index import files
from pipeline.index.changes import fold, group
from pipeline.index.check import check_once
from pipeline.index.errors import IndexCorrupt, IndexLocked, StalePosition, WriterUnusable
from pipeline.index.manifest import NAME as MANIFEST_NAME
from pipeline.index.manifest import Manifest, read_manifest, write_manifest
from pipeline.index.merge_policy import choose_merge
from pipeline.index.segment_format import SUFFIX
from pipeline.index.segment_set import SegmentSet
from pipeline.index.segment_store import SegmentStore
from pipeline.index.snapshot import load_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from pipeline.index.changes import Change

log = structlog.get_logger("acoustid.index.writer")

LOCK_NAME = "lock"
# Terms that a rebuild holds before it writes a segment: about 50 MB with all copies.
REBUILD_TERMS = 1 << 21


def open_writer(path: str | Path, *, clear_damaged: bool = False) -> IndexWriter:
    """Open an index for writing, creating it empty at position 0 if there is none.

    Every segment's CRC is checked the first time this process opens it for writing.

    Args:
        path: the folder of the index.
        clear_damaged: begin an empty index in the place of a damaged one, to rebuild it.

    Raises:
        IndexLocked: another writer holds the index.
        IndexCorrupt: a file is damaged; it is named.
    """
    directory = Path(path)
    files.make_directory(directory)
    lock = files.lock(directory / LOCK_NAME)
    if lock is None:
        raise IndexLocked(directory)
    try:
        return _load(directory, lock, clear_damaged=clear_damaged)
    except BaseException:
        files.unlock(lock)
        raise


def _load(directory: Path, lock: int, *, clear_damaged: bool) -> IndexWriter:
    try:
        return IndexWriter(directory, lock)
    except IndexCorrupt as error:
        if not clear_damaged:
            raise
        log.warning("a damaged index is cleared", file=str(error.path), problem=error.problem)
    # The segments go first: a manifest without them is as damaged as the index was.
    for path in [*directory.glob(f"*{SUFFIX}"), directory / MANIFEST_NAME]:
        files.remove(path)
    files.sync_directory(directory)
    return IndexWriter(directory, lock)


class IndexWriter:
    """Applies changes to an index; a context manager. Not for use by several threads.

    A call that fails leaves the old state in force, on the disk and here, and may be repeated.
    """

    def __init__(self, directory: Path, lock: int) -> None:
        """Load the index in `directory`; use `open_writer`.

        Args:
            directory: the folder of the index.
            lock: the descriptor that holds its lock.
        """
        self._directory = directory
        self._process = os.getpid()
        self._unusable: str | None = None
        snapshot = load_snapshot(directory)
        if snapshot.is_missing():
            write_manifest(directory, snapshot.manifest)
        snapshot.close()
        self._manifest, self._segments = snapshot.manifest, snapshot.segments
        for segment in self._segments.segments:
            check_once(segment)
        self._store = SegmentStore(directory, self._manifest.next_segment)
        self._store.sweep(self._segments)
        self._lock: int | None = lock

    def __enter__(self) -> IndexWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def position(self) -> int:
        """Return the position of the last commit.

        Raises:
            WriterUnusable: the writer is closed, or a failed commit could not be taken back.
        """
        self._require_usable()
        return self._manifest.position

    def metadata(self) -> dict[str, str]:
        """Return what the owner keeps with the index.

        Raises:
            WriterUnusable: see `position`.
        """
        self._require_usable()
        return dict(self._manifest.metadata)

    def apply(
        self,
        changes: Sequence[Change],
        position: int,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Commit a batch of changes together with the position they lead up to.

        When this returns they survive a power cut, and readers see them at their next call. The
        last change of an id wins. No changes at the current position are no commit.

        Args:
            changes: at most what fits in memory a few times over.
            position: not below the current position.
            metadata: put into the index's own in the same commit, key by key.

        Raises:
            StalePosition: `position` lies before the index's own.
            ValueError, TypeError: a change is malformed.
            OSError: the disk is full or failing.
            WriterUnusable: see `position`.
        """
        current = self.position()
        if position < current:
            raise StalePosition(position, current)
        if position == current and not changes and not metadata:
            return
        segments = self._store.appended(self._segments, fold(changes), position)
        self._commit(segments, position, {**self._manifest.metadata, **(metadata or {})})
        self._merge()

    def rebuild(
        self,
        batches: Iterable[Sequence[Change]],
        position: int,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Replace the whole content by what `batches` come to, in one commit.

        The new content is built aside, in bounded memory; readers see the old one until it is
        complete. Since nothing of the old content stays, `position` may also lie before it.

        Args:
            batches: all documents, in any number of batches; later ones win.
            position: the position that they lead up to, at least 0.
            metadata: takes the place of the old, which stays by default.

        Raises:
            ValueError, TypeError: a change is malformed, or the position is negative.
            OSError: the disk is full or failing.
            WriterUnusable: see `position`.
        """
        self._require_usable()
        if position < 0:
            raise StalePosition(position, 0)
        segments = SegmentSet()
        try:
            for changes in group(batches, REBUILD_TERMS):
                segments = self._store.appended(segments, fold(changes), position)
                while run := choose_merge(segments):
                    unmerged, segments = segments, self._store.merged(segments, run)
                    self._store.discard(unmerged, kept=segments)
        except BaseException:
            self._store.discard(segments, kept=self._segments)
            raise
        self._commit(segments, position, self._manifest.metadata if metadata is None else metadata)

    def close(self) -> None:
        """Give the lock back. Closing twice is no error."""
        if self._lock is not None:
            # A forked process shares the lock: it may only let go of its own descriptor.
            release = files.unlock if os.getpid() == self._process else files.close
            release(self._lock)
        self._lock = None
        self._unusable = "this writer is closed; open another"
        self._segments = SegmentSet()

    def _merge(self) -> None:
        """Merge until the segments may rest. The changes are committed: a failure can wait."""
        try:
            while run := choose_merge(self._segments):
                merged = self._store.merged(self._segments, run)
                self._commit(merged, self._manifest.position, self._manifest.metadata)
        except OSError as error:
            log.warning("merge failed; the next commit tries again", error=str(error))

    def _commit(self, segments: SegmentSet, position: int, metadata: Mapping[str, str]) -> None:
        """Put a state in force, on the disk and here, and delete the files it no longer needs."""
        old = self._manifest, self._segments
        manifest = Manifest(
            self._manifest.generation + 1,
            position,
            self._store.next_number,
            segments.entries(),
            dict(metadata),
        )
        try:
            # First here, then on the disk: wherever this is interrupted, both are taken back.
            self._manifest, self._segments = manifest, segments
            write_manifest(self._directory, manifest)
        except BaseException:
            self._manifest, self._segments = old
            self._restore_manifest()
            self._store.discard(segments, kept=self._segments)
            raise
        self._store.discard(old[1], kept=segments)

    def _restore_manifest(self) -> None:
        """Put the manifest of `self._manifest` back in force if a failed commit replaced it.

        If that fails too, nobody knows which one a crash would leave: the writer gives up, and
        whoever opens the index next reads it from the disk.
        """
        self._unusable = "a commit failed and could not be taken back; open the index again"
        if read_manifest(self._directory) != self._manifest:
            write_manifest(self._directory, self._manifest)
        self._unusable = None

    def _require_usable(self) -> None:
        if self._unusable:
            raise WriterUnusable(f"{self._directory}: {self._unusable}")
        if os.getpid() != self._process:
            raise WriterUnusable(
                f"{self._directory}: this writer belongs to process {self._process}; "
                "a forked process must open its own"
            )

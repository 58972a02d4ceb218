"""The writer: the one process that changes an index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from pipeline.index.changes import fold, group
from pipeline.index.check import check_once
from pipeline.index.committed import CommittedState
from pipeline.index.errors import (
    IndexCorrupt,
    IndexLocked,
    StalePosition,
    WriterUnusable,
)
from pipeline.index.manifest import NAME as MANIFEST_NAME
from pipeline.index.merge_policy import choose_merge
from pipeline.index.merging import Merges
from pipeline.index.segment_format import SUFFIX
from pipeline.index.segment_set import SegmentSet
from pipeline.index.snapshot import load_snapshot
from pipeline.storage import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from pipeline.index.changes import Change

log = structlog.get_logger("acoustid.index.writer")

LOCK_NAME = "lock"
# Terms that a rebuild holds before it writes a segment: about 50 MB with all copies.
REBUILD_TERMS = 1 << 21


def open_writer(
    path: str | Path,
    *,
    clear_damaged: bool = False,
    merge_in_background: bool = True,
    merged: Callable[[float], object] = lambda _seconds: None,
) -> IndexWriter:
    """Open an index for writing, creating it empty at position 0 if there is none.

    Every segment's CRC is checked the first time this process opens it for writing.

    Args:
        path: the folder of the index.
        clear_damaged: begin an empty index in the place of a damaged one, to rebuild it.
        merge_in_background: merge in a thread of its own, and not within `apply`.
        merged: told of every merge how many seconds it took.

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
        if clear_damaged:
            _clear_damaged(directory)
        return IndexWriter(directory, lock, merge_in_background=merge_in_background, merged=merged)
    except BaseException:
        files.unlock(lock)
        raise


def _clear_damaged(directory: Path) -> None:
    try:
        snapshot = load_snapshot(directory)
        snapshot.close()
        for segment in snapshot.segments.segments:
            check_once(segment)
    except IndexCorrupt as error:
        log.warning("a damaged index is cleared", file=str(error.path), problem=error.problem)
    else:
        return
    # The segments go first: a manifest without them is as damaged as the index was.
    for path in [*directory.glob(f"*{SUFFIX}"), directory / MANIFEST_NAME]:
        files.remove(path)
    files.sync_directory(directory)


class IndexWriter:
    """Applies changes to an index; a context manager. Not for use by several threads.

    A call that fails leaves the old state in force, on the disk and here, and may be repeated.
    """

    def __init__(
        self,
        directory: Path,
        lock: int,
        *,
        merge_in_background: bool,
        merged: Callable[[float], object],
    ) -> None:
        """Load the index in `directory`; use `open_writer`.

        Args:
            directory: the folder of the index.
            lock: the descriptor that holds its lock.
            merge_in_background: see `open_writer`.
            merged: see `open_writer`.
        """
        self._directory = directory
        self._process = os.getpid()
        self._state = CommittedState(directory)
        self._store = self._state.store
        self._merges = Merges(self._state, merged, in_background=merge_in_background)
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
        return self._state.manifest.position

    def merging(self) -> bool:
        """Tell whether segments are being merged in the background."""
        return self._merges.busy()

    def finish_merges(self) -> None:
        """Wait until the segments may rest."""
        self._merges.finish()

    def metadata(self) -> dict[str, str]:
        """Return what the owner keeps with the index.

        Raises:
            WriterUnusable: see `position`.
        """
        self._require_usable()
        return dict(self._state.manifest.metadata)

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
        folded = fold(changes)
        self._state.commit(
            lambda segments: self._store.appended(segments, folded, position),
            position,
            {**self._state.manifest.metadata, **(metadata or {})},
        )
        self._merges.follow()

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
                    unmerged = segments
                    merged = self._store.merged(segments, run)
                    segments = segments.replaced(segments.segments[run], merged)
                    self._store.discard(unmerged, kept=segments)
        except BaseException:
            self._store.discard(segments, kept=self._state.segments)
            raise
        self._state.commit(lambda _: segments, position, metadata)

    def close(self) -> None:
        """Stop merging and give the lock back. Closing twice is no error."""
        if os.getpid() == self._process:
            self._merges.stop()
        if self._lock is not None:
            # A forked process shares the lock: it may only let go of its own descriptor.
            release = files.unlock if os.getpid() == self._process else files.close
            release(self._lock)
        self._lock = None
        self._state.unusable = "this writer is closed; open another"
        self._state.segments = SegmentSet()

    def _require_usable(self) -> None:
        self._state.require_usable()
        if os.getpid() != self._process:
            raise WriterUnusable(
                f"{self._directory}: this writer belongs to process {self._process}; "
                "a forked process must open its own"
            )

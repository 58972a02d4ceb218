"""The writer: the one process that changes an index."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.index.changelog_state import ChangelogState
from pipeline.index.changes import fold, group
from pipeline.index.errors import StalePosition
from pipeline.index.index_manifest import INDEX_FORMAT, IndexManifest
from pipeline.index.merging.merge import merge
from pipeline.index.merging.merge_policy import POLICY, choose_merge
from pipeline.index.sample_check import LIMIT, TIMEOUT, finds_each, least_score
from pipeline.index.search.search import Limits, search
from pipeline.index.segments.segment_set import SegmentSet
from pipeline.index.segments.segment_writer import write_changes
from pipeline.storage.checked_files import ALL, check_again, check_once, refuse_known_damage
from pipeline.storage.merge_scheduling import MergeScheduler, add_and_merge
from pipeline.storage.writer import StorageWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.index.changes import Change, ChangeBatch, FoldedChanges
    from pipeline.index.interface import Hits
    from pipeline.index.segments.segment import IndexSegment

    Storage = StorageWriter[IndexManifest, SegmentSet]

# Number of terms that a rebuild collects for a segment: about 50 MB with all copies.
REBUILD_TERMS = 1 << 21


def open_writer(
    path: str | Path,
    *,
    clear_damaged: bool = False,
    keep_intact: bool = False,
    check_whole: bool = False,
    merge_in_background: bool = True,
    merged: Callable[[float], object] = lambda _seconds: None,
) -> IndexWriter:
    """Open an index for writing, creating it empty at position 0 if there is none.

    The postings of a segment are not read. If this process has found damage in them before, in a
    merge or in the scrub, the segment is refused.

    Args:
        path: the folder of the index.
        clear_damaged: move damaged files aside and begin an empty index, to fill it again.
        keep_intact: move the intact files of a damaged index aside too.
        check_whole: read all segments whole, once per process. This takes minutes for a large
            index, so a task with a time limit must not do it.
        merge_in_background: merge in threads instead of within `apply`.
        merged: is called after every merge with its duration in seconds.

    Raises:
        IndexLocked: another writer has the index open.
        IndexCorrupt: a file is damaged.
    """
    storage = StorageWriter(
        INDEX_FORMAT,
        Path(path),
        clear_damaged=clear_damaged,
        keep_intact=keep_intact,
        check=_check_whole if check_whole else _refuse_damaged,
    )
    return IndexWriter(storage, merge_in_background=merge_in_background, merged=merged)


class IndexWriter:
    """Applies changes to an index; a context manager. Not for use by several threads.

    A call that fails keeps the old state, on the disk and in memory, and may be repeated.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        merge_in_background: bool,
        merged: Callable[[float], object],
    ) -> None:
        """Write the index of an open folder; use `open_writer`.

        Args:
            storage: the folder.
            merge_in_background: see `open_writer`.
            merged: see `open_writer`.
        """
        self._storage = storage
        self._merges = MergeScheduler(
            storage,
            POLICY,
            lambda segments, run, stopped: merge_run(storage, segments, run, stopped),
            self._commit,
            merged,
            in_background=merge_in_background,
        )

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
            WriterUnusable: the writer is closed, belongs to another process, or a failed commit
                could not be undone.
        """
        self._storage.require_usable()
        return self._storage.manifest.position

    def merging(self) -> bool:
        """Return whether segments are being merged in the background."""
        return self._merges.busy()

    def finish_merges(self) -> None:
        """Wait until the merge policy has nothing more to merge."""
        self._merges.finish()

    def metadata(self) -> dict[str, str]:
        """Return the metadata of the index, texts by key.

        Raises:
            WriterUnusable: see `position`.
        """
        self._storage.require_usable()
        return dict(self._storage.manifest.metadata)

    def changelog_state(self) -> ChangelogState:
        """Return the part of the changelog that the index contains.

        Raises:
            WriterUnusable: see `position`.
        """
        return ChangelogState.read(
            self.position(),
            self.metadata(),
            lambda: max(self._storage.segments.bounds(), default=0),
        )

    def contains(self, sample: Mapping[int, NDArray[np.uint32]]) -> bool:
        """Return whether a search of the terms of each document of a sample finds its id."""
        segments = self._storage.segments

        def find(terms: NDArray[np.uint32]) -> Hits:
            limits = Limits(LIMIT, least_score(terms), score_pct=100, timeout=TIMEOUT)
            return search(segments, [terms], limits)[0]

        return finds_each(find, sample)

    def apply(
        self,
        changes: Sequence[Change | ChangeBatch],
        position: int,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Commit a batch of changes together with the position after them.

        Afterwards they survive a power cut, and readers use them from their next call on. The last
        change of an id wins. Without changes and with the current position, nothing is committed.

        Args:
            changes: the changes; several copies of them are in memory.
            position: not below the current position.
            metadata: merged into that of the index in the same commit, key by key.

        Raises:
            StalePosition: `position` is below that of the index.
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
        self._commit(
            lambda segments: append_changes(self._storage, segments, folded, position),
            position,
            {**self._storage.manifest.metadata, **(metadata or {})},
        )
        self._merges.merge_after_commit()

    def rebuild(
        self,
        batches: Iterable[Sequence[Change]],
        position: int,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Replace the whole content by that of `batches`, in one commit.

        The new content is built in bounded memory; readers use the old one until it is complete.
        Since no old content stays, `position` may be below the current one.

        Args:
            batches: all documents, in any number of batches; later ones win.
            position: the position of the new content, at least 0.
            metadata: replaces the old metadata, which stays by default.

        Raises:
            ValueError, TypeError: a change is malformed, or the position is negative.
            OSError: the disk is full or failing.
            WriterUnusable: see `position`.
        """
        self._storage.require_usable()
        if position < 0:
            raise StalePosition(position, 0)
        segments = add_and_merge(
            self._storage,
            SegmentSet(),
            map(fold, group(batches, REBUILD_TERMS)),
            lambda segments, folded: append_changes(self._storage, segments, folded, position),
            choose_merge,
            partial(merge_run, self._storage),
        )
        self._commit(lambda _: segments, position, metadata)

    def close(self) -> None:
        """Stop merging and release the lock; a second call has no effect."""
        if self._storage.is_same_process():
            self._merges.stop()
        self._storage.close()

    def _commit(
        self,
        change: Callable[[SegmentSet], SegmentSet],
        position: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Commit segments; position and metadata stay unchanged by default."""

        def update(manifest: IndexManifest) -> IndexManifest:
            return replace(
                manifest,
                generation=manifest.generation + 1,
                position=manifest.position if position is None else position,
                metadata=manifest.metadata if metadata is None else dict(metadata),
            )

        self._storage.commit(change, update)


def append_changes(
    storage: Storage, segments: SegmentSet, changes: FoldedChanges, position: int = 0
) -> SegmentSet:
    """Write changes as the newest segment.

    A deletion is kept as a tombstone only if an older segment has the document.

    Args:
        storage: the folder.
        segments: the segments so far.
        changes: the changes.
        position: the position after the changes.

    Returns:
        The segments with the new one; unchanged if there is nothing to write.

    Raises:
        OSError: the disk is full or failing; no file is left.
    """
    tombstones = changes.deleted[segments.contains(changes.deleted)]
    if not changes.inserted.size and not tombstones.size:
        return segments
    segment = storage.write_segment(
        lambda directory, number: write_changes(directory, number, changes, tombstones, position)
    )
    return segments.with_segments([*segments.segments, segment])


def merge_run(
    storage: Storage,
    segments: SegmentSet,
    run: slice,
    stopped: Callable[[], bool] = lambda: False,
) -> IndexSegment | None:
    """Write the merge of a run of segments.

    The segments are checked first: a merge of damaged ones would have a correct checksum.

    Returns:
        The segment that replaces the run, None if the run has no current documents.

    Raises:
        OSError: the disk is full or failing; no file is left.
        MergeStopped: `stopped` returned True; no file is left.
        IndexCorrupt: a segment of the run is damaged.
    """
    for segment in segments.segments[run]:
        check_again(segment)
    merged: IndexSegment | None = storage.write_segment(
        lambda directory, number: merge(directory, number, segments, run, stopped)
    )
    return merged


def _refuse_damaged(segments: SegmentSet) -> None:
    for segment in segments.segments:
        refuse_known_damage(segment)


def _check_whole(segments: SegmentSet) -> None:
    for segment in segments.segments:
        check_once(segment.path, segment.entry, ALL, segment.check)

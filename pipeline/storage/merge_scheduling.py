"""Schedules merges of segments; each user's policy chooses the segments.

A writer merges in threads after its commits, or within a commit before it makes the result current.
The policies are `pipeline.index.merging.merge_policy` and `pipeline.fingerprint_store.merging`.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import structlog

from pipeline.storage.background_thread import BackgroundWork
from pipeline.storage.errors import MergeStopped
from pipeline.storage.format import SegmentsT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from pipeline.storage.format import Segment
    from pipeline.storage.writer import StorageWriter

    Choose: TypeAlias = Callable[[SegmentsT, Collection[tuple[Any, ...]]], slice | None]
    Merge: TypeAlias = Callable[[SegmentsT, slice, Callable[[], bool]], Segment | None]

AdditionT = TypeVar("AdditionT")

logger = structlog.get_logger("acoustid.storage.merge_scheduling")


@dataclass(frozen=True, slots=True)
class MergePolicy(Generic[SegmentsT]):
    """Functions that choose the segments to merge, one for each situation.

    The arguments of each function are the segments, and the runs that are being merged. It returns
    the run to merge next, or None.

    Attributes:
        after_commit: merges within a call, after its commit.
        while_busy: merges in the background while there are commits.
        when_idle: merges in the background after a time without commits.
        blocking_segments: number of segments at which a commit waits for merges in the background.
        threads: maximum number of merges at a time.
    """

    after_commit: Choose[SegmentsT]
    while_busy: Choose[SegmentsT]
    when_idle: Choose[SegmentsT]
    blocking_segments: int
    threads: int


class MergeScheduler(Generic[SegmentsT]):
    """Merges the current segments until the policy has nothing more to merge.

    The commit of a merge replaces its segments in the current state. So other commits and merges
    may run at the same time.
    """

    def __init__(
        self,
        writer: StorageWriter[Any, SegmentsT],
        policy: MergePolicy[SegmentsT],
        merge: Merge[SegmentsT],
        commit: Callable[[Callable[[SegmentsT], SegmentsT]], None],
        merged: Callable[[float], object],
        *,
        in_background: bool,
    ) -> None:
        """Store the functions; no merge is started.

        Args:
            writer: the writer of the folder.
            policy: chooses the segments to merge.
            merge: writes the merge of a run of the given segments. Returns None if the run
                has no current content; raises MergeStopped soon after its last argument returns
                True.
            commit: commits a change of the segments.
            merged: is called after every merge with its duration in seconds.
            in_background: merge in threads instead of within `merge_after_commit`.
        """
        self._writer = writer
        self._policy = policy
        self._merge = merge
        self._commit = commit
        self._merged = merged
        self._in_background = in_background
        self._choosing = threading.Lock()
        self._under_way: list[tuple[Segment, ...]] = []
        self._background = BackgroundWork(
            lambda: self._merge_once(policy.while_busy),
            lambda: not self._under_way and self._merge_once(policy.when_idle),
            threads=policy.threads,
        )

    def merge_after_commit(self) -> None:
        """Merge segments after a commit. An error of a merge is logged and not raised."""
        if not self._in_background:
            try:
                while self._merge_once(self._policy.after_commit):
                    pass
            except OSError as error:
                logger.warning("merge failed; the next commit tries again", error=str(error))
        elif self._policy.when_idle(self._writer.segments, ()):
            self._background.wake()
            # Every segment slows every search: if merges are too slow, the writer waits.
            if self._too_many():
                self._background.wait(lambda: not self._too_many())

    def busy(self) -> bool:
        """Return whether merges run or are about to run."""
        return self._background.busy()

    def finish(self) -> None:
        """Wait until the policy has nothing more to merge."""
        self._background.finish()

    def stop(self) -> None:
        """Stop the merges that run, and start no other."""
        self._background.stop()

    def _too_many(self) -> bool:
        return len(self._writer.segments.segments) >= self._policy.blocking_segments

    def _merge_once(self, choose: Choose[SegmentsT]) -> bool:
        """Choose and merge a run; return whether there was one.

        Raises:
            OSError: the disk is full or failing; the old segments stay current.
        """
        with self._choosing:
            segments = self._writer.segments
            run = choose(segments, self._under_way)
            if run is None:
                return False
            chosen = segments.segments[run]
            self._under_way.append(chosen)
        try:
            self._merge_run(segments, run)
        except MergeStopped:
            return False
        finally:
            with self._choosing:
                self._under_way.remove(chosen)
        return True

    def _merge_run(self, segments: SegmentsT, run: slice) -> None:
        start = time.perf_counter()
        merged = self._merge(segments, run, self._background.stopping)

        def change(current: SegmentsT) -> SegmentsT:
            after = replaced(current, segments.segments[run], merged)
            if merged and after is current:  # a rebuild has replaced the run
                self._writer.discard(current.with_segments([merged]), current)
            return after

        self._commit(change)
        self._merged(time.perf_counter() - start)


def add_and_merge(
    writer: StorageWriter[Any, SegmentsT],
    segments: SegmentsT,
    additions: Iterable[AdditionT],
    append: Callable[[SegmentsT, AdditionT], SegmentsT],
    choose: Callable[[SegmentsT], slice | None],
    merge: Callable[[SegmentsT, slice], Segment | None],
) -> SegmentsT:
    """Write segments and merge them, for one commit that makes the result current.

    Args:
        writer: the writer of the folder.
        segments: the segments to add to.
        additions: the content of each new segment.
        append: writes an addition as the newest segment.
        choose: returns the run to merge next or None.
        merge: writes the merge of a run, see `MergeScheduler`.

    Raises:
        OSError: the disk is full or failing; no new file is left.
    """
    try:
        for addition in additions:
            segments = append(segments, addition)
            while run := choose(segments):
                before, merged = segments, merge(segments, run)
                segments = replaced(segments, segments.segments[run], merged)
                writer.discard(before, segments, writer.segments)
    except BaseException:
        writer.discard(segments, writer.segments)
        raise
    return segments


def replaced(segments: SegmentsT, run: tuple[Segment, ...], merged: Segment | None) -> SegmentsT:
    """Return segments with the neighbours in `run` replaced by `merged`, if any.

    If a segment of the run is no longer in `segments`, `segments` is returned unchanged.
    """
    existing = segments.segments
    if run[0] not in existing:
        return segments
    start = existing.index(run[0])
    end = start + len(run)
    if existing[start:end] != run:
        return segments
    return segments.with_segments(
        [*existing[:start], *([merged] if merged else []), *existing[end:]]
    )

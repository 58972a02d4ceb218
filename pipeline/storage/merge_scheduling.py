"""When and where segments are merged; each user's own policy says which.

A writer merges behind its commits, in threads, or within a commit before it puts the result in
force. The policies are `pipeline.index.merging.merge_policy` and
`pipeline.fingerprint_store.merging`.
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

log = structlog.get_logger("acoustid.storage.merge_scheduling")


@dataclass(frozen=True, slots=True)
class MergePolicy(Generic[SegmentsT]):
    """Which segments to merge in which situation.

    Each function is given the segments and the runs of them that are being merged, and returns the
    run to merge next or None.

    Attributes:
        after_commit: merges within a call, after its commit.
        while_busy: merges in the background while commits come.
        at_rest: merges in the background when no commit came for a while.
        most_segments: a commit with this many segments waits for the background.
        threads: merges of different segments that may run at a time.
    """

    after_commit: Choose[SegmentsT]
    while_busy: Choose[SegmentsT]
    at_rest: Choose[SegmentsT]
    most_segments: int
    threads: int


class MergeScheduler(Generic[SegmentsT]):
    """Merges the segments in force until the policy is content.

    A merge looks up the segments that it replaces when it is committed. So commits, and merges of
    other segments, go on beside it.
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
        """Start nothing yet.

        Args:
            writer: of the folder.
            policy: which segments to merge.
            merge: writes the merge of a run of the given segments. Returns None if nothing is left
                of it; raises MergeStopped soon after its last argument returns True.
            commit: commits a change of the segments.
            merged: called after every merge with its duration in seconds.
            in_background: merge in threads, and not within `follow`.
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
            lambda: not self._under_way and self._merge_once(policy.at_rest),
            threads=policy.threads,
        )

    def follow(self) -> None:
        """Merge what a commit has made necessary. A failed merge does not fail the commit."""
        if not self._in_background:
            try:
                while self._merge_once(self._policy.after_commit):
                    pass
            except OSError as error:
                log.warning("merge failed; the next commit tries again", error=str(error))
        elif self._policy.at_rest(self._writer.segments, ()):
            self._background.wake()
            # Every segment slows every search: where merges can't keep up, the writer waits.
            if self._too_many():
                self._background.wait(lambda: not self._too_many())

    def busy(self) -> bool:
        """Return whether segments are being merged, or may be in a moment."""
        return self._background.busy()

    def finish(self) -> None:
        """Wait until the policy has nothing more to merge."""
        self._background.finish()

    def stop(self) -> None:
        """Stop the merges that run, and start no other."""
        self._background.stop()

    def _too_many(self) -> bool:
        return len(self._writer.segments.segments) >= self._policy.most_segments

    def _merge_once(self, choose: Choose[SegmentsT]) -> bool:
        """Merge the run that is chosen; return whether there was one.

        Raises:
            OSError: the disk is full or failing; the old segments are in force.
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
    """Write segments and merge them on the way, for one commit that puts the result in force.

    Args:
        writer: of the folder.
        segments: the segments to add to.
        additions: what each new segment holds.
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
    """Return segments with `merged`, if any, in the place of the neighbours in `run`.

    If the run is no longer whole among them, the same segments are returned.
    """
    held = segments.segments
    if run[0] not in held:
        return segments
    start = held.index(run[0])
    end = start + len(run)
    if held[start:end] != run:
        return segments
    return segments.with_segments([*held[:start], *([merged] if merged else []), *held[end:]])

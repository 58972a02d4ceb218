"""When and where a writer merges: behind its commits, in threads of their own."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog

from pipeline.index.background import BackgroundWork
from pipeline.index.errors import MergeStopped
from pipeline.index.merge_policy import BUSY_SEGMENTS, choose_merge, choose_rest_merge
from pipeline.index.segment_set import SegmentSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.index.committed import CommittedState
    from pipeline.index.segment import Segment

log = structlog.get_logger("acoustid.index.merging")

# Segments that may wait for merges in the background.
MOST_SEGMENTS = 24
# While one thread writes a large segment, another keeps the number of small ones down.
THREADS = 2


class Merges:
    """Merges segments of a state until they may rest.

    What a merge replaces is found again when it is committed, so commits go on beside it, and so
    do merges of other segments.
    """

    def __init__(
        self,
        state: CommittedState,
        merged: Callable[[float], object],
        *,
        in_background: bool,
    ) -> None:
        """Begin nothing yet.

        Args:
            state: whose segments are merged.
            merged: told of every merge how many seconds it took.
            in_background: merge in threads, and not within `follow`.
        """
        self._state = state
        self._merged = merged
        self._in_background = in_background
        self._choosing = threading.Lock()
        self._under_way: list[tuple[Segment, ...]] = []
        self._background = BackgroundWork(
            lambda: self._merge_once(partial(choose_merge, most=BUSY_SEGMENTS)),
            lambda: not self._under_way and self._merge_once(choose_rest_merge),
            threads=THREADS,
        )

    def follow(self) -> None:
        """Merge what a commit has made necessary. It is done: a failure can wait."""
        if not self._in_background:
            try:
                while self._merge_once():
                    pass
            except OSError as error:
                log.warning("merge failed; the next commit tries again", error=str(error))
        elif choose_rest_merge(self._state.segments):
            self._background.wake()
            # Every segment slows every search: where merges can't follow, the writer waits.
            if self._too_many():
                self._background.wait(lambda: not self._too_many())

    def busy(self) -> bool:
        """Tell whether segments are being merged, or may be in a moment."""
        return self._background.busy()

    def finish(self) -> None:
        """Wait until the segments may rest."""
        self._background.finish()

    def stop(self) -> None:
        """Give up the merges that run, and begin no other."""
        self._background.stop()

    def _too_many(self) -> bool:
        return len(self._state.segments.segments) >= MOST_SEGMENTS

    def _merge_once(self, choose: Callable[..., slice | None] = choose_merge) -> bool:
        """Merge the run that is chosen; return whether there was one.

        Raises:
            OSError: the disk is full or failing; the old segments are in force.
        """
        with self._choosing:
            segments = self._state.segments
            run = choose(segments, under_way=self._under_way)
            if run is None:
                return False
            self._under_way.append(segments.segments[run])
        try:
            self._merge(segments, run)
        except MergeStopped:
            return False
        finally:
            with self._choosing:
                self._under_way.remove(segments.segments[run])
        return True

    def _merge(self, segments: SegmentSet, run: slice) -> None:
        start = time.perf_counter()
        merged = self._state.store.merged(segments, run, self._background.stopping)

        def replace(current: SegmentSet) -> SegmentSet:
            replaced = current.replaced(segments.segments[run], merged)
            if merged and replaced is current:  # a rebuild has put others in their place
                self._state.store.discard(SegmentSet([merged]), kept=current)
            return replaced

        self._state.commit(replace)
        self._merged(time.perf_counter() - start)

"""When and where a writer merges: behind its commits, in a thread of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from pipeline.index.background import BackgroundWork
from pipeline.index.errors import MergeStopped
from pipeline.index.merge_policy import BUSY_SEGMENTS, REST_SEGMENTS, choose_merge

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.index.committed import CommittedState
    from pipeline.index.segment import Segment
    from pipeline.index.segment_set import SegmentSet

log = structlog.get_logger("acoustid.index.merging")

# Segments that may wait for a merge in the background.
MOST_SEGMENTS = 24


class Merges:
    """Merges segments of a state until they may rest.

    What a merge replaces is found again when it is committed, so commits go on beside it.
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
            in_background: merge in a thread, and not within `follow`.
        """
        self._state = state
        self._merged = merged
        self._in_background = in_background
        self._running: tuple[Segment, ...] = ()
        self._background = BackgroundWork(
            lambda: self._merge_once(BUSY_SEGMENTS), lambda: self._merge_once(REST_SEGMENTS)
        )

    def follow(self) -> None:
        """Merge what a commit has made necessary. It is done: a failure can wait."""
        if not self._in_background:
            try:
                while self._merge_once():
                    pass
            except OSError as error:
                log.warning("merge failed; the next commit tries again", error=str(error))
        elif choose_merge(self._state.segments, REST_SEGMENTS):
            self._background.wake()
            # Every segment slows every search. Where merges can't follow, the writer does a small
            # one itself while a large one runs, and else waits.
            while self._too_many() and self._background.busy():
                if not self._merge_newest():
                    self._background.wait(lambda: not self._too_many())

    def busy(self) -> bool:
        """Tell whether segments are being merged, or may be in a moment."""
        return self._background.busy()

    def finish(self) -> None:
        """Wait until the segments may rest."""
        self._background.finish()

    def stop(self) -> None:
        """Give up the merge that runs, and begin no other."""
        self._background.stop()

    def _too_many(self) -> bool:
        return len(self._state.segments.segments) >= MOST_SEGMENTS

    def _merge_once(self, most: int | None = None) -> bool:
        """Merge the run that needs it most; return whether there was one."""
        segments = self._state.segments
        run = choose_merge(segments, most)
        if run is None:
            return False
        self._running = segments.segments[run]
        try:
            self._merge(segments, run)
        except MergeStopped:
            return False
        finally:
            self._running = ()
        return True

    def _merge_newest(self) -> bool:
        """Merge among the segments that are newer than those which are being merged."""
        segments, running = self._state.segments, self._running
        if not running or running[-1] not in segments.segments:
            return False
        run = choose_merge(segments, 1, segments.segments.index(running[-1]) + 1)
        if run is None:
            return False
        self._merge(segments, run)
        return True

    def _merge(self, segments: SegmentSet, run: slice) -> None:
        start = time.perf_counter()
        merged = self._state.store.merged(segments, run, self._background.stopping)
        self._state.commit(lambda current: current.replaced(segments.segments[run], merged))
        self._merged(time.perf_counter() - start)

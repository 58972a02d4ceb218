"""Makes, merges and deletes the segment files of one folder, for its writer."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.index.manifest import TEMPORARY_NAME
from pipeline.index.merge import merge
from pipeline.index.postings import TERM_SHIFT
from pipeline.index.segment import Segment
from pipeline.index.segment_format import SUFFIX, SegmentEntry
from pipeline.index.segment_writer import SegmentWriter
from pipeline.index.term_codes import common_shift
from pipeline.storage import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pipeline.index.changes import FoldedChanges
    from pipeline.index.segment_set import SegmentSet


class SegmentStore:
    """Segment files by number; a number is never used twice, not even after a failure.

    So a reader that opens a file by a name it read earlier finds that very segment or none.

    Attributes:
        next_number: the lowest number never used.
    """

    def __init__(self, directory: Path, next_number: int) -> None:
        """Manage a folder, `next_number` being what its manifest says."""
        self._directory = directory
        self._numbering = threading.Lock()
        taken = [int(path.stem, 16) for path in directory.glob(f"*{SUFFIX}")]
        self.next_number = max([next_number, *(number + 1 for number in taken)])

    def appended(
        self, segments: SegmentSet, changes: FoldedChanges, position: int = 0
    ) -> SegmentSet:
        """Write changes, which lead up to a position, as the newest segment.

        A deletion is kept as a tombstone only if there is a version for it to hide.

        Returns:
            The segments with the new one; the same segments if the changes come to nothing.

        Raises:
            OSError: the disk is full or failing; no file is left.
        """
        tombstones = changes.deleted[segments.speaks_for(changes.deleted)]
        if not changes.inserted.size and not tombstones.size:
            return segments
        keys = changes.keys
        entry = SegmentEntry(
            self._number(),
            documents=changes.inserted.size,
            tombstones=tombstones.size,
            postings=keys.size,
            top_term=int(keys[-1] >> TERM_SHIFT) if keys.size else 0,
            shift=common_shift(keys),
            position=position,
        )
        with SegmentWriter(self._directory, entry, changes.inserted, tombstones) as writer:
            writer.add(keys)
            entry = writer.finish()
        return segments.with_segments([*segments.segments, self._open(entry)])

    def merged(
        self, segments: SegmentSet, run: slice, stopped: Callable[[], bool] = lambda: False
    ) -> Segment | None:
        """Write the merge of a run of segments.

        Returns:
            The segment to put in the place of the run, None if nothing is left of it.

        Raises:
            OSError: the disk is full or failing; no file is left.
            MergeStopped: `stopped` said so; no file is left.
        """
        entry = merge(self._directory, self._number(), segments, run, stopped)
        return self._open(entry) if entry else None

    def discard(self, segments: SegmentSet, kept: SegmentSet) -> None:
        """Delete the files of segments that are not in `kept`; what fails is swept later."""
        keep = set(kept.entries())
        self._remove(each.path for each in segments.segments if each.entry not in keep)

    def sweep(self, kept: SegmentSet) -> None:
        """Delete what a crash left behind: all files of ours that `kept` doesn't name.

        The manifest that names `kept` is made durable first: had its writer died before it could
        do so, a power cut might bring the older one back, and with it the need for these files.
        """
        files.sync_directory(self._directory)
        names = {entry.file_name for entry in kept.entries()}
        stray = [path for path in self._directory.glob(f"*{SUFFIX}") if path.name not in names]
        self._remove([self._directory / TEMPORARY_NAME, *stray])

    def _number(self) -> int:
        with self._numbering:
            self.next_number += 1
            return self.next_number - 1

    def _open(self, entry: SegmentEntry) -> Segment:
        try:
            return Segment(self._directory, entry)
        except BaseException:
            self._remove([self._directory / entry.file_name])
            raise

    @staticmethod
    def _remove(paths: Iterable[Path]) -> None:
        for path in paths:
            with suppress(OSError):
                files.remove(path)

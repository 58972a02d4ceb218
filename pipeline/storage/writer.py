"""The writer of a folder: its lock, the current state, and commits.

The state on the disk and the state in memory are always the same. `docs/index-format.md` lists the
files after a crash at each step of a commit.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic

import structlog

from pipeline.storage import files
from pipeline.storage.format import (
    LOCK_NAME,
    TEMPORARY_NAME,
    ManifestT,
    SegmentsT,
    entries,
    segment_name,
    segment_number,
)
from pipeline.storage.manifest import read_manifest, write_manifest
from pipeline.storage.snapshot import load_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pipeline.storage.format import SegmentEntry, Segments, StorageFormat

logger = structlog.get_logger("acoustid.storage.writer")


class StorageWriter(Generic[ManifestT, SegmentsT]):
    """Commits new states of a folder. Thread-safe, within one process.

    Attributes:
        manifest: the current manifest.
        segments: its segments.
    """

    manifest: ManifestT
    segments: SegmentsT
    _next_number: int

    def __init__(
        self,
        format_: StorageFormat[ManifestT, SegmentsT],
        directory: Path,
        *,
        clear_damaged: bool = False,
        check: Callable[[SegmentsT], object] = lambda _segments: None,
    ) -> None:
        """Lock a folder and load its state; write an empty one if there is none.

        Args:
            format_: the format of the folder.
            directory: the folder; it is created.
            clear_damaged: replace a damaged state by an empty one.
            check: a further check of the segments; raises StorageCorrupt.

        Raises:
            StorageLocked: another writer has the folder open.
            StorageCorrupt: a file is damaged.
        """
        self._format = format_
        self._directory = directory
        self._process = os.getpid()
        self._committing = threading.RLock()
        self._numbering = threading.Lock()
        self._unusable: str | None = None
        files.make_directory(directory)
        self._lock = files.lock(directory / LOCK_NAME)
        if self._lock is None:
            raise format_.locked(directory)
        try:
            self._load(check, clear_damaged=clear_damaged)
        except BaseException:
            files.unlock(self._lock)
            raise

    def is_same_process(self) -> bool:
        """Return whether this process opened the writer; a forked one did not."""
        return os.getpid() == self._process

    def require_usable(self) -> None:
        """Check that the writer can be used.

        Raises:
            StorageUnusable: it is closed, belongs to another process, or a failed commit could not
                be undone.
        """
        if self._unusable:
            raise self._format.unusable(f"{self._directory}: {self._unusable}")
        if not self.is_same_process():
            raise self._format.unusable(
                f"{self._directory}: this writer belongs to process {self._process}; "
                "a forked process must open its own"
            )

    def commit(
        self,
        change: Callable[[SegmentsT], SegmentsT],
        update: Callable[[ManifestT], ManifestT] = lambda manifest: manifest,
    ) -> None:
        """Make a state current, on the disk and in memory, and delete the dropped segments.

        Args:
            change: takes the current segments, returns the new ones.
            update: takes the current manifest, returns one with the new values of other fields.

        Raises:
            OSError: the disk is full or failing; the old state stays current.
            StorageUnusable: see `require_usable`.
        """
        with self._committing:
            self.require_usable()
            segments = change(self.segments)
            old = self.manifest, self.segments
            try:
                # First in memory, then on the disk: an exception at any point undoes both.
                self.manifest = replace(
                    update(self.manifest),
                    next_segment=self._next_number,
                    segments=entries(segments),
                )
                self.segments = segments
                write_manifest(self._format, self._directory, self.manifest)
            except BaseException:
                self.manifest, self.segments = old
                self._restore_manifest()
                self.discard(segments, self.segments)
                raise
            self.discard(old[1], segments)

    def write_segment(self, write: Callable[[Path, int], SegmentEntry | None]) -> Any:  # noqa: ANN401 - the user's type of segment
        """Write a segment under a number that was never used, and open it.

        So a file name always refers to the same segment, even after the file is deleted.

        Args:
            write: takes the folder and the number, writes and syncs the file. Returns None if there
                is nothing to write.

        Returns:
            The segment, or None.

        Raises:
            OSError: the disk is full or failing; no file is left.
        """
        with self._numbering:
            number = self._next_number
            self._next_number += 1
        try:
            entry = write(self._directory, number)
            return entry and self._format.open_segment(self._directory, entry)
        except BaseException:
            # The next sweep deletes files that can't be deleted now.
            self._remove([self._directory / segment_name(number, self._format.suffix)])
            raise

    def discard(self, segments: Segments, *kept: Segments) -> None:
        """Delete the files of segments that are in none of `kept`."""
        keep = {entry for each in kept for entry in entries(each)}
        self._remove(each.path for each in segments.segments if each.entry not in keep)

    def close(self) -> None:
        """Release the lock; a second call has no effect."""
        if self._lock is not None:
            # A forked process shares the lock, so it only closes its descriptor.
            release = files.unlock if self.is_same_process() else files.close
            release(self._lock)
        self._lock = None
        self._unusable = "this writer is closed; open another"
        self.segments = self._format.no_segments

    def _load(self, check: Callable[[SegmentsT], object], *, clear_damaged: bool) -> None:
        try:
            snapshot = load_snapshot(self._format, self._directory)
            snapshot.close()
            check(snapshot.segments)
        except self._format.corrupt as error:
            if not clear_damaged:
                raise
            logger.warning(
                "damaged files are cleared",
                folder=self._format.noun,
                file=str(error.path),
                problem=error.problem,
            )
            self._begin()
        else:
            self.manifest, self.segments = snapshot.manifest, snapshot.segments
            if snapshot.is_missing():
                self._begin()
        self._next_number = self._unused_number(self.manifest.next_segment)
        self._sweep()

    def _begin(self) -> None:
        """Make an empty state current; the sweep deletes the existing segments."""
        number = self._format.no_manifest.next_segment
        with suppress(self._format.corrupt):
            damaged = read_manifest(self._format, self._directory)
            number = damaged.next_segment if damaged else number
        number = self._unused_number(number)
        self.segments = self._format.no_segments
        self.manifest = replace(self._format.no_manifest, next_segment=number)
        write_manifest(self._format, self._directory, self.manifest)

    def _unused_number(self, number: int) -> int:
        """Return `number`, or the number after the highest segment file if that is higher."""
        taken = (segment_number(path) + 1 for path in self._segment_files())
        return max([number, *taken])

    def _sweep(self) -> None:
        """Delete segment files that are not in the manifest, as after a crash.

        The folder is synced first. The previous writer may have been killed between the rename of
        the manifest and the sync. A power cut could then restore the older manifest, which needs
        these files.
        """
        files.sync_directory(self._directory)
        names = {entry.file_name for entry in self.manifest.segments}
        stray = [path for path in self._segment_files() if path.name not in names]
        self._remove([self._directory / TEMPORARY_NAME, *stray])

    def _segment_files(self) -> Iterable[Path]:
        return self._directory.glob(f"*{self._format.suffix}")

    def _restore_manifest(self) -> None:
        """Make `self.manifest` current again if a failed commit has replaced it.

        If that fails too, it is unknown which manifest a crash would leave. Then the writer becomes
        unusable, and the next one reads the manifest from the disk.
        """
        self._unusable = "a commit failed and could not be undone; open it again"
        if read_manifest(self._format, self._directory) != self.manifest:
            write_manifest(self._format, self._directory, self.manifest)
        self._unusable = None

    @staticmethod
    def _remove(paths: Iterable[Path]) -> None:
        for path in paths:
            with suppress(OSError):
                files.remove(path)

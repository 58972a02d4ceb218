"""The one writer of a folder: its lock, the state in force, and commits.

The state on the disk and the state in memory are always the same. `docs/index-format.md` lists what
a crash leaves at each step of a commit.
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

log = structlog.get_logger("acoustid.storage.writer")


class StorageWriter(Generic[ManifestT, SegmentsT]):
    """Commits new states of a folder; for use by the threads of one process.

    Attributes:
        manifest: the manifest in force.
        segments: the segments it names.
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
        """Lock a folder and load its state; write an empty one where there is none.

        Args:
            format_: of the folder.
            directory: the folder; it is created.
            clear_damaged: replace a damaged state by an empty one.
            check: a further check of the segments; raises StorageCorrupt.

        Raises:
            StorageLocked: another writer holds the folder.
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

    def is_own(self) -> bool:
        """Return whether this process opened the writer; a forked one did not."""
        return os.getpid() == self._process

    def require_usable(self) -> None:
        """Check that the writer can go on.

        Raises:
            StorageUnusable: it is closed, belongs to another process, or a failed commit could not
                be taken back.
        """
        if self._unusable:
            raise self._format.unusable(f"{self._directory}: {self._unusable}")
        if not self.is_own():
            raise self._format.unusable(
                f"{self._directory}: this writer belongs to process {self._process}; "
                "a forked process must open its own"
            )

    def commit(
        self,
        change: Callable[[SegmentsT], SegmentsT],
        update: Callable[[ManifestT], ManifestT] = lambda manifest: manifest,
    ) -> None:
        """Put a state in force, on the disk and in memory, and delete the segments it drops.

        Args:
            change: given the segments in force, returns those that replace them.
            update: given the manifest in force, returns one with the other fields of the new one.

        Raises:
            OSError: the disk is full or failing; the old state is in force.
            StorageUnusable: see `require_usable`.
        """
        with self._committing:
            self.require_usable()
            segments = change(self.segments)
            old = self.manifest, self.segments
            try:
                # First in memory, then on the disk: an interruption anywhere takes both back.
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

        A reader that opens a file by a name it read earlier finds that segment or none.

        Args:
            write: given the folder and the number, writes and syncs the file. Returns None where
                there is nothing to write.

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
            # The next sweep deletes what can't be deleted now.
            self._remove([self._directory / segment_name(number, self._format.suffix)])
            raise

    def discard(self, segments: Segments, *kept: Segments) -> None:
        """Delete the files of segments that are in none of `kept`."""
        keep = {entry for each in kept for entry in entries(each)}
        self._remove(each.path for each in segments.segments if each.entry not in keep)

    def close(self) -> None:
        """Release the lock; a second call changes nothing."""
        if self._lock is not None:
            # A forked process shares the lock: it may only close its own descriptor.
            release = files.unlock if self.is_own() else files.close
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
            log.warning(
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
        """Put an empty state in force; the sweep deletes the segments that are there."""
        number = self._format.no_manifest.next_segment
        with suppress(self._format.corrupt):
            damaged = read_manifest(self._format, self._directory)
            number = damaged.next_segment if damaged else number
        number = self._unused_number(number)
        self.segments = self._format.no_segments
        self.manifest = replace(self._format.no_manifest, next_segment=number)
        write_manifest(self._format, self._directory, self.manifest)

    def _unused_number(self, number: int) -> int:
        """Return the first number from `number` on that is above those of all segment files."""
        taken = (segment_number(path) + 1 for path in self._segment_files())
        return max([number, *taken])

    def _sweep(self) -> None:
        """Delete the remains of a crash: segment files that the manifest doesn't name.

        The manifest is made durable first. If its writer died before it did so, a power cut could
        still bring the older manifest back, which needs these files.
        """
        files.sync_directory(self._directory)
        names = {entry.file_name for entry in self.manifest.segments}
        stray = [path for path in self._segment_files() if path.name not in names]
        self._remove([self._directory / TEMPORARY_NAME, *stray])

    def _segment_files(self) -> Iterable[Path]:
        return self._directory.glob(f"*{self._format.suffix}")

    def _restore_manifest(self) -> None:
        """Put `self.manifest` back in force if a failed commit has replaced it.

        If that fails too, it is uncertain which manifest a crash would leave. Then the writer can't
        go on, and the next one reads it from the disk.
        """
        self._unusable = "a commit failed and could not be taken back; open it again"
        if read_manifest(self._format, self._directory) != self.manifest:
            write_manifest(self._format, self._directory, self.manifest)
        self._unusable = None

    @staticmethod
    def _remove(paths: Iterable[Path]) -> None:
        for path in paths:
            with suppress(OSError):
                files.remove(path)

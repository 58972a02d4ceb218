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
from pipeline.storage.damaged_folders import damaged_folders, move_damaged
from pipeline.storage.format import (
    TEMPORARY_NAME,
    ManifestT,
    SegmentsT,
    entries,
    segment_name,
)
from pipeline.storage.manifest import read_manifest, write_manifest
from pipeline.storage.segment_files import (
    all_files,
    is_of_earlier_version,
    later_files,
    list_segments,
    lock_folder,
    mark,
    set_aside,
    uncommitted,
    unknown_files,
)
from pipeline.storage.snapshot import damaged_files, load_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pipeline.storage.errors import StorageCorrupt
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
        keep_intact: bool = False,
        check: Callable[[SegmentsT], object] = lambda _segments: None,
    ) -> None:
        """Lock a folder and load its state; write an empty one if there is none.

        Args:
            format_: the format of the folder.
            directory: the folder; it is created.
            clear_damaged: replace a damaged state by an empty one. The damaged files are moved to a
                folder, see `pipeline.storage.damaged_folders`; the others are deleted. Files with
                unknown names stay and are refused.
            keep_intact: move the intact files of a damaged state to that folder too.
            check: a further check of the segments; raises StorageCorrupt.

        Raises:
            StorageLocked: another writer has the folder open.
            StorageCorrupt: a file is damaged, was committed later than the manifest, or has an
                unknown name. No file was deleted.
        """
        self._format = format_
        self._directory = directory
        self._process = os.getpid()
        self._committing = threading.RLock()
        self._numbering = threading.Lock()
        self._unusable: str | None = None
        files.make_directory(directory)
        self._lock = lock_folder(directory)
        if self._lock is None:
            raise format_.locked(directory)
        try:
            self._refuse_unknown_files()
            self._load(check, clear_damaged=clear_damaged, keep_intact=keep_intact)
            if is_of_earlier_version(directory):
                with suppress(OSError):  # the next writer tries it again
                    mark(self._lock)
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
            self._rename_committed(old[0], segments)
            self.discard(old[1], segments)

    def write_segment(self, write: Callable[[Path, int], SegmentEntry | None]) -> Any:  # noqa: ANN401 - the user's type of segment
        """Write a segment under a number that was never used, and open it.

        So a file name always refers to the same segment, even after the file is deleted.

        Args:
            write: takes the folder and the number, writes and syncs the file under the name of an
                uncommitted segment. Returns None if there is nothing to write.

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
            name = segment_name(number, self._format.suffix)
            self._remove([uncommitted(self._directory / name)])
            raise

    def discard(self, segments: Segments, *kept: Segments) -> None:
        """Delete the files of segments that are in none of `kept`."""
        keep = {entry for each in kept for entry in entries(each)}
        for each in segments.segments:
            if each.entry not in keep:
                self._remove([each.path, uncommitted(each.path)])

    def close(self) -> None:
        """Release the lock; a second call has no effect."""
        if self._lock is not None:
            # A forked process shares the lock, so it only closes its descriptor.
            release = files.unlock if self.is_same_process() else files.close
            release(self._lock)
        self._lock = None
        self._unusable = "this writer is closed; open another"
        self.segments = self._format.no_segments

    def _load(
        self, check: Callable[[SegmentsT], object], *, clear_damaged: bool, keep_intact: bool
    ) -> None:
        try:
            snapshot = load_snapshot(self._format, self._directory)
            snapshot.close()
            check(snapshot.segments)
            self._refuse_later_files(snapshot.manifest)
        except self._format.corrupt as error:
            if not clear_damaged:
                raise
            self._set_aside(error, keep_intact=keep_intact)
            self._begin()
        else:
            self.manifest, self.segments = snapshot.manifest, snapshot.segments
            if snapshot.is_missing():
                self._begin()
        self._next_number = self._unused_number(self.manifest.next_segment)
        self._sweep()

    def _set_aside(self, error: StorageCorrupt, *, keep_intact: bool) -> None:
        """Move the damaged files to a folder. After a crash in between the next call continues."""
        damaged = {error.path: None}
        if keep_intact:
            damaged |= dict.fromkeys(all_files(self._format, self._directory))
        with suppress(self._format.corrupt):
            manifest = read_manifest(self._format, self._directory)
            if manifest:
                damaged |= dict.fromkeys(damaged_files(self._format, self._directory, manifest))
        folder = move_damaged(self._directory, damaged)
        logger.warning(
            "damaged files are moved aside, the folder is emptied",
            folder=self._format.noun,
            file=str(error.path),
            problem=error.problem,
            moved_to=str(folder) if folder else None,
        )

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

    def _refuse_unknown_files(self) -> None:
        for error in unknown_files(self._format, self._directory):
            raise error

    def _refuse_later_files(self, manifest: ManifestT) -> None:
        """Raise an error if segments were committed later than the manifest.

        A writer of an earlier version gave a segment its final name before the commit. So in its
        folder such a segment may also be left by a crash: it is set aside.
        """
        for error in later_files(self._format, self._directory, manifest):
            if not is_of_earlier_version(self._directory):
                raise error
            set_aside(error.path)

    def _unused_number(self, number: int) -> int:
        """Return `number`, or the number after the highest segment file if that is higher."""
        folders = [self._directory, *damaged_folders(self._directory)]
        used = [list_segments(each, self._format.suffix).unused_number() for each in folders]
        return max(number, *used)

    def _sweep(self) -> None:
        """Finish the last commit, and delete the segments that no commit needs.

        These are uncommitted segments, and those below the manifest's `next_segment` that it does
        not list; `_refuse_later_files` has refused the others.

        The folder is synced first. The previous writer may have been killed between the rename of
        the manifest and the sync. A power cut could then restore the older manifest, which needs
        these files.
        """
        files.sync_directory(self._directory)
        found = list_segments(self._directory, self._format.suffix)
        listed = {entry.number for entry in self.manifest.segments}
        stray = [path for number, path in found.committed.items() if number not in listed]
        for number, path in found.uncommitted.items():
            if number in listed and number not in found.committed:
                files.replace(path, path.with_suffix(""))
            else:
                stray.append(path)
        for path in stray:
            logger.info("segment that the manifest does not list removed", file=str(path))
        self._remove([self._directory / TEMPORARY_NAME, *stray])

    def _rename_committed(self, before: ManifestT, segments: SegmentsT) -> None:
        """Give the new segments of a commit their final names.

        If that fails, the commit is still valid: readers use both names, and the next writer
        renames the file.
        """
        known = set(before.segments)
        for segment in segments.segments:
            if segment.entry not in known:
                with suppress(OSError):
                    files.replace(uncommitted(segment.path), segment.path)

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

"""One committed state of a folder as read from the disk, and a reader of the newest one."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from pipeline.storage.errors import damage_as, shows_damage
from pipeline.storage.format import MANIFEST_NAME, ManifestT, SegmentsT
from pipeline.storage.manifest import decode_manifest, open_manifest
from pipeline.storage.segment_files import (
    later_files,
    list_segments,
    open_segment,
    with_either_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from pipeline.storage.format import SegmentEntry, StorageFormat

    FileId = tuple[int, int, int]
    """Device, inode number and time of the last modification of a file."""


class Snapshot(Generic[ManifestT, SegmentsT]):
    """A manifest and its segments, open.

    The manifest's file stays open, so the file system can't reuse its inode number. Otherwise a
    later manifest could have the same inode number, size and time.

    Attributes:
        manifest: the manifest.
        segments: its segments.
        opened: the files of the segments. A mapped file keeps its inode number when it is deleted.
    """

    def __init__(
        self,
        manifest: ManifestT,
        segments: SegmentsT,
        file: BinaryIO | None,
        opened: Mapping[SegmentEntry, FileId] | None = None,
    ) -> None:
        """Store a state.

        Args:
            manifest: the manifest.
            segments: its segments.
            file: the manifest's file, open; None if the folder has none.
            opened: the files of the segments.
        """
        self.manifest = manifest
        self.segments = segments
        self.opened = opened or {}
        self._file = file
        self._identity = _identity(os.fstat(file.fileno())) if file else None

    @classmethod
    def absent(cls, format_: StorageFormat[ManifestT, SegmentsT]) -> Snapshot[ManifestT, SegmentsT]:
        """Return the state of a folder without a manifest: empty, at position 0."""
        return cls(format_.no_manifest, format_.no_segments, None)

    def is_missing(self) -> bool:
        """Return whether the folder has no manifest."""
        return self._file is None

    def is_current(self, path: Path) -> bool:
        """Return whether this state is current; takes one `stat`.

        Args:
            path: the manifest's file.
        """
        try:
            found = path.stat()
        except FileNotFoundError:
            return self._identity is None
        except OSError as error:
            if shows_damage(error):
                return False
            raise
        return _identity(found) == self._identity

    def close(self) -> None:
        """Close the manifest's file; the segments stay open while they are used."""
        if self._file:
            self._file.close()


class LatestSnapshot(Generic[ManifestT, SegmentsT]):
    """The newest committed state of a folder. Thread-safe."""

    def __init__(
        self,
        format_: StorageFormat[ManifestT, SegmentsT],
        directory: Path,
        *,
        must_exist: bool = False,
        only_intact: bool = False,
    ) -> None:
        """Store the arguments; the first `load` reads the files.

        Args:
            format_: the format of the folder.
            directory: the folder.
            must_exist: a missing manifest is an error, not an empty state.
            only_intact: leave out damaged and missing segments.
        """
        self._format = format_
        self._directory = directory
        self._must_exist = must_exist
        self._only_intact = only_intact
        self._manifest = directory / MANIFEST_NAME  # made once, because every `get` uses it
        self._loading = threading.Lock()
        self._snapshot = Snapshot.absent(format_)

    def get(self) -> Snapshot[ManifestT, SegmentsT]:
        """Return the current state; takes one `stat` if it has not changed.

        Raises:
            StorageCorrupt: a file is missing or damaged.
        """
        snapshot = self._snapshot
        return snapshot if snapshot.is_current(self._manifest) else self.load()

    def last_read(self) -> Snapshot[ManifestT, SegmentsT]:
        """Return the state that was read last, which may be out of date."""
        return self._snapshot

    def load(self) -> Snapshot[ManifestT, SegmentsT]:
        """Read the current state, unless another thread has just done so.

        Raises:
            StorageCorrupt: a file is missing or damaged.
        """
        with self._loading:
            old = self._snapshot
            if old.is_missing() or not old.is_current(self._manifest):
                self._reload()
            return self._snapshot

    def _reload(self) -> None:
        old = self._snapshot
        new = load_snapshot(self._format, self._directory, old, only_intact=self._only_intact)
        if self._must_exist and new.is_missing():
            raise self._format.corrupt(self._manifest, "is missing")
        self._snapshot = new
        old.close()

    def refresh(self) -> bool:
        """Read the current state; return whether it has changed.

        Raises:
            StorageCorrupt: a file is missing or damaged.
        """
        old = self._snapshot
        return self.get() is not old

    def check_files(self) -> None:
        """Check the files of the state that was read last; open the replaced ones again.

        A file that has another inode number than the mapped one was replaced. One with another time
        of modification was changed. Both are opened again, which checks their tables.

        Raises:
            StorageCorrupt: a file is missing, has another length than in the manifest, or was
                changed and is damaged.
        """
        snapshot = self._snapshot
        replaced = False
        for segment in snapshot.segments.segments:
            size = segment.entry.size
            try:
                found = _stat(self._format, segment.path)
            except FileNotFoundError:
                if not snapshot.is_current(self._manifest):
                    return  # a merge has replaced it
                raise self._format.corrupt(segment.path, "is missing") from None
            if found.st_size != size:
                raise self._format.corrupt(
                    segment.path, f"has {found.st_size} bytes, but {size} in the manifest"
                )
            replaced = replaced or _file_id(found) != snapshot.opened[segment.entry]
        if replaced:
            with self._loading:
                if self._snapshot is snapshot:
                    self._reload()

    def close(self) -> None:
        """Close the files; a later `get` opens them again."""
        with self._loading:
            self._snapshot.close()
            self._snapshot = Snapshot.absent(self._format)


def load_snapshot(
    format_: StorageFormat[ManifestT, SegmentsT],
    directory: Path,
    known: Snapshot[ManifestT, SegmentsT] | None = None,
    *,
    only_intact: bool = False,
) -> Snapshot[ManifestT, SegmentsT]:
    """Read the current state; an empty one at position 0 if the folder has no manifest.

    A writer may replace the manifest and delete segments at any time. If a segment is missing and
    the manifest is no longer current, the new manifest is read. Each repetition follows a commit.

    Args:
        format_: the format of the folder.
        directory: the folder.
        known: an earlier state; its segments whose files are still current are not opened again.
        only_intact: read each segment whole, and leave out damaged and missing ones.

    Raises:
        StorageCorrupt: a file is missing or damaged.
    """
    known = Snapshot.absent(format_) if known is None else known
    while True:
        file = open_manifest(format_, directory)
        if file is None and list_segments(directory, format_.suffix).any():
            # Either a manifest was written between the two calls, or it is lost.
            file = open_manifest(format_, directory)
            if file is None:
                raise format_.corrupt(
                    directory / MANIFEST_NAME, "is missing although segments exist"
                )
        if file is None:
            return Snapshot.absent(format_)
        if only_intact:
            return _load_intact(format_, directory, file)
        snapshot = _load(format_, directory, file, known)
        if snapshot:
            return snapshot


def damaged_files(
    format_: StorageFormat[ManifestT, Any], directory: Path, manifest: ManifestT
) -> list[Path]:
    """Return the segments that cannot be opened, or that are newer than the manifest."""
    found = [error.path for error in later_files(format_, directory, manifest)]
    for entry in manifest.segments:
        try:
            open_segment(format_, directory, entry)
        except format_.corrupt as error:
            found.append(error.path)
        except FileNotFoundError:
            continue
    return found


def _load(
    format_: StorageFormat[ManifestT, SegmentsT],
    directory: Path,
    file: BinaryIO,
    known: Snapshot[ManifestT, SegmentsT],
) -> Snapshot[ManifestT, SegmentsT] | None:
    """Read the state of an open manifest; None if a newer manifest has replaced it."""
    try:
        manifest = decode_manifest(format_, file.read(), directory / MANIFEST_NAME)
        # Read before a file is opened: if it is replaced in between, `check_files` detects it.
        opened = {
            entry: _file_id(_stat(format_, directory / entry.file_name))
            for entry in manifest.segments
        }
        current: dict[Any, Any] = {
            segment.entry: segment
            for segment in known.segments.segments
            if known.opened[segment.entry] == opened.get(segment.entry)
        }
        segments = known.segments.with_segments(
            [
                current.get(entry) or open_segment(format_, directory, entry)
                for entry in manifest.segments
            ]
        )
        return Snapshot(manifest, segments, file, opened)
    except FileNotFoundError as error:
        read = Snapshot(format_.no_manifest, format_.no_segments, file)
        is_current = read.is_current(directory / MANIFEST_NAME)
        file.close()
        if is_current:
            raise format_.corrupt(Path(error.filename), "is missing") from error
        return None
    except BaseException:
        file.close()
        raise


def _load_intact(
    format_: StorageFormat[ManifestT, SegmentsT], directory: Path, file: BinaryIO
) -> Snapshot[ManifestT, SegmentsT]:
    try:
        manifest = decode_manifest(format_, file.read(), directory / MANIFEST_NAME)
    except BaseException:
        file.close()
        raise
    opened, intact = {}, []
    for entry in manifest.segments:
        with suppress(format_.corrupt, OSError):
            found = _file_id(with_either_name(directory / entry.file_name, Path.stat))
            segment = format_.open_segment(directory, entry)
            segment.check()
            intact.append(segment)
            opened[entry] = found
    segments = format_.no_segments.with_segments(intact)
    return Snapshot(manifest, segments, file, opened)


def _stat(format_: StorageFormat[Any, Any], path: Path) -> os.stat_result:
    with damage_as(format_, path):
        return with_either_name(path, Path.stat)


def _file_id(file: os.stat_result) -> FileId:
    return file.st_dev, file.st_ino, file.st_mtime_ns


def _identity(file: os.stat_result) -> tuple[int, int, int, int]:
    return file.st_dev, file.st_ino, file.st_mtime_ns, file.st_size

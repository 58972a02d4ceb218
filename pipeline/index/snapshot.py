"""One committed state of an index, as read from the disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.index.errors import IndexCorrupt
from pipeline.index.manifest import NAME, Manifest, decode, open_manifest
from pipeline.index.segment_format import SUFFIX
from pipeline.index.segment_set import SegmentSet

if TYPE_CHECKING:
    from typing import BinaryIO


class Snapshot:
    """A manifest and its segments, mapped.

    The manifest's file stays open: a file system gives the inode number of a deleted file away
    again, and only an open file keeps its number to itself. So a later file with the same number,
    size and time cannot be mistaken for this one.

    Attributes:
        manifest: the manifest.
        segments: the segments it names.
    """

    def __init__(self, manifest: Manifest, segments: SegmentSet, file: BinaryIO | None) -> None:
        """Hold a state; `file` is the open manifest, None where there is no index."""
        self.manifest = manifest
        self.segments = segments
        self._file = file
        self._identity = _identity(os.fstat(file.fileno())) if file else None

    @classmethod
    def absent(cls) -> Snapshot:
        """Return the state of an index that doesn't exist: empty, at position 0."""
        return cls(Manifest(), SegmentSet(), None)

    def is_missing(self) -> bool:
        """Tell whether there was no index."""
        return self._file is None

    def is_current(self, manifest: Path) -> bool:
        """Tell whether this is still the state in force: one `stat` of the manifest, no reading."""
        try:
            found = manifest.stat()
        except FileNotFoundError:
            return self._identity is None
        return _identity(found) == self._identity

    def close(self) -> None:
        """Close the manifest's file; the mapped segments remain."""
        if self._file:
            self._file.close()


def load_snapshot(directory: Path, known: SegmentSet | None = None) -> Snapshot:
    """Load the state in force; an empty one at position 0 if there is no index.

    A writer may replace the manifest and delete segments at any moment. If a segment is gone
    because the manifest has moved on, the new manifest is read: each turn follows a commit.

    Args:
        directory: the folder of the index.
        known: segments that are mapped already.

    Raises:
        IndexCorrupt: a file is missing or damaged; it is named.
    """
    known = known or SegmentSet()
    while True:
        file = open_manifest(directory)
        if file is None and any(directory.glob(f"*{SUFFIX}")):
            # Either the index was created between the two calls, or its manifest is lost.
            file = open_manifest(directory)
            if file is None:
                raise IndexCorrupt(directory / NAME, "is missing although segments exist")
        if file is None:
            return Snapshot.absent()
        snapshot = _load(directory, file, known)
        if snapshot:
            return snapshot


def _load(directory: Path, file: BinaryIO, known: SegmentSet) -> Snapshot | None:
    """Load what an open manifest names, or return None if that is out of date and gone."""
    try:
        manifest = decode(file.read(), directory / NAME)
        return Snapshot(manifest, known.with_entries(directory, manifest.segments), file)
    except FileNotFoundError as error:
        current = Snapshot(Manifest(), SegmentSet(), file).is_current(directory / NAME)
        file.close()
        if current:
            raise IndexCorrupt(Path(error.filename), "is missing") from error
        return None
    except BaseException:
        file.close()
        raise


def _identity(file: os.stat_result) -> tuple[int, int, int, int]:
    return file.st_dev, file.st_ino, file.st_mtime_ns, file.st_size

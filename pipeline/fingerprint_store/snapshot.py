"""One committed state of the store, as read from the disk."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from pipeline.fingerprint_store.errors import StoreCorrupt
from pipeline.fingerprint_store.locating import store_table
from pipeline.fingerprint_store.manifest import NAME, Manifest, decode
from pipeline.fingerprint_store.segment import Segment
from pipeline.fingerprint_store.segment_format import SegmentEntry


class Snapshot:
    """A manifest and its segments, mapped.

    The manifest's file stays open: only so is its inode number not given away again, and a later
    file can't be mistaken for this one.

    Attributes:
        manifest: the manifest.
        segments: the segments it names, oldest first.
        table: the segments for `locate`.
    """

    def __init__(
        self, manifest: Manifest, segments: Sequence[Segment], file: BinaryIO | None
    ) -> None:
        """Hold a state; `file` is the open manifest, None where there is no store."""
        self.manifest = manifest
        self.segments = segments
        self.table = store_table(segments)
        self._file = file
        self._identity = _identity(os.fstat(file.fileno())) if file else None

    def is_missing(self) -> bool:
        """Tell whether there was no store."""
        return self._file is None

    def is_current(self, directory: Path) -> bool:
        """Tell whether this is still the state in force: one `stat`, no reading."""
        try:
            found = (directory / NAME).stat()
        except FileNotFoundError:
            return self._identity is None
        return _identity(found) == self._identity

    def close(self) -> None:
        """Close the manifest's file; the segments stay mapped while anything of them is used."""
        if self._file:
            self._file.close()


def load_snapshot(directory: Path, known: Sequence[Segment] = ()) -> Snapshot:
    """Load the state in force; an empty one at position 0 if there is no store.

    A writer may replace the manifest and delete segments at any moment: then the new one is read.

    Args:
        directory: the folder of the store.
        known: segments that are mapped already.

    Raises:
        StoreCorrupt: a file is missing or damaged; it is named.
    """
    mapped = {segment.entry: segment for segment in known}
    while True:
        try:
            file = (directory / NAME).open("rb")
        except FileNotFoundError:
            return Snapshot(Manifest(), (), None)
        snapshot = _load(directory, file, mapped)
        if snapshot:
            return snapshot


def _load(
    directory: Path, file: BinaryIO, mapped: Mapping[SegmentEntry, Segment]
) -> Snapshot | None:
    """Load what an open manifest names, or return None if that is out of date and gone."""
    try:
        manifest = decode(file.read(), directory / NAME)
        segments = [mapped.get(each) or Segment(directory, each) for each in manifest.segments]
        return Snapshot(manifest, segments, file)
    except FileNotFoundError as error:
        is_current = Snapshot(Manifest(), (), file).is_current(directory)
        file.close()
        if is_current:
            raise StoreCorrupt(Path(error.filename), "is missing") from error
        return None
    except BaseException:
        file.close()
        raise


def _identity(file: os.stat_result) -> tuple[int, int, int, int]:
    return file.st_dev, file.st_ino, file.st_mtime_ns, file.st_size

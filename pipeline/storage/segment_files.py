"""The names of segment files, and what a name records.

A segment has the name ``NUMBER.SUFFIX.new`` until the manifest that lists it is current. Then it is
renamed to ``NUMBER.SUFFIX``. So after a crash at any moment:

* a file with the suffix ``.new`` that the manifest does not list was never committed;
* another file below the manifest's `next_segment` that the manifest does not list was replaced by a
  commit;
* another file from `next_segment` on was committed later than the manifest: an older manifest was
  restored.

Earlier versions gave a segment its final name before the commit. So in their folders a file of the
last kind may be left by a crash. It is renamed to ``NUMBER.SUFFIX.unlisted``. Then the lock's file
gets a content, the mark of a folder whose segments are renamed after their commit. Only an empty
lock's file is that of an earlier version: without the file, the folder may be an incomplete copy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from pipeline.storage import files
from pipeline.storage.errors import damage_as
from pipeline.storage.format import LOCK_NAME, MANIFEST_NAME, segment_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.storage.errors import StorageCorrupt
    from pipeline.storage.format import Manifest, Segment, SegmentEntry, StorageFormat

UNCOMMITTED: Final = ".new"
SET_ASIDE: Final = ".unlisted"

_NUMBER: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_MARK: Final = b"segments are renamed after their commit\n"

T = TypeVar("T")

logger = structlog.get_logger("acoustid.storage.segment_files")


@dataclass(frozen=True, slots=True)
class SegmentFiles:
    """The segment files of a folder.

    Attributes:
        committed: files with the final name, by number.
        uncommitted: files with the suffix ``.new``, by number.
        set_aside: files with the suffix ``.unlisted``, by number.
        unknown: files with the suffix of a segment and without its number.
    """

    committed: dict[int, Path]
    uncommitted: dict[int, Path]
    set_aside: dict[int, Path]
    unknown: list[Path]

    def any(self) -> bool:
        """Return whether there are files, except those that are set aside."""
        return bool(self.committed or self.uncommitted or self.unknown)

    def unused_number(self) -> int:
        """Return the number after the highest one, or 0 if there are no files."""
        numbers = (*self.committed, *self.uncommitted, *self.set_aside)
        return max(numbers, default=-1) + 1


def list_segments(directory: Path, suffix: str) -> SegmentFiles:
    """Return the segment files of a folder, sorted by name.

    Args:
        directory: the folder; one that does not exist has no files.
        suffix: the suffix of the names of segment files.
    """
    found = SegmentFiles({}, {}, {}, [])
    endings = {
        suffix: found.committed,
        suffix + UNCOMMITTED: found.uncommitted,
        suffix + SET_ASIDE: found.set_aside,
    }
    for ending, files_by_number in endings.items():
        for path in sorted(directory.glob(f"*{ending}")):
            stem = path.name.removesuffix(ending)
            if _NUMBER.fullmatch(stem):
                files_by_number[int(stem, 16)] = path
            else:
                found.unknown.append(path)
    return found


def all_files(format_: StorageFormat[Any, Any], directory: Path) -> list[Path]:
    """Return the manifest and the segments of a folder, by their final names."""
    found = list_segments(directory, format_.suffix)
    numbers = sorted({*found.committed, *found.uncommitted})
    segments = [directory / segment_name(number, format_.suffix) for number in numbers]
    return [directory / MANIFEST_NAME, *segments]


def uncommitted(path: Path) -> Path:
    """Return the name of a segment's file before its commit.

    Args:
        path: the final name.
    """
    return path.with_name(path.name + UNCOMMITTED)


def with_either_name(path: Path, use: Callable[[Path], T]) -> T:
    """Call a function with the name that a segment's file has: the final one or that before.

    Args:
        path: the final name. Another process may rename the file to it at any time.
        use: reads the file; raises FileNotFoundError if there is none of that name.

    Raises:
        FileNotFoundError: there is no file of either name.
    """
    for name in (path, uncommitted(path)):
        try:
            return use(name)
        except FileNotFoundError:
            continue
    return use(path)  # renamed between the two calls


def open_segment(format_: StorageFormat[Any, Any], directory: Path, entry: SegmentEntry) -> Segment:
    """Open the segment of an entry.

    Raises:
        FileNotFoundError: there is no file.
        StorageCorrupt: the file does not match the entry, or something else has its name.
    """
    with damage_as(format_, directory / entry.file_name):
        return format_.open_segment(directory, entry)


def lock_folder(directory: Path) -> int | None:
    """Lock a folder for a writer. A new lock's file is marked at once.

    Returns:
        The descriptor with the lock, or None if another writer has the lock.

    Raises:
        OSError: the disk is full or failing.
    """
    path = directory / LOCK_NAME
    is_new = not path.exists()
    lock = files.lock(path)
    if lock is not None and is_new:
        try:
            mark(lock)
        except BaseException:
            files.remove(path)  # an empty one would be that of an earlier version
            files.unlock(lock)
            raise
    return lock


def is_of_earlier_version(directory: Path) -> bool:
    """Return whether the last writer of a folder gave segments their names before the commit.

    Such writers left the lock's file empty.
    """
    try:
        return (directory / LOCK_NAME).stat().st_size == 0
    except FileNotFoundError:
        return False


def mark(lock: int) -> None:
    """Mark a folder as one whose segments are renamed after their commit.

    Args:
        lock: the descriptor of the lock's file, which the writer holds.

    Raises:
        OSError: the disk is full or failing.
    """
    files.write_lock(lock, _MARK)


def set_aside(path: Path) -> None:
    """Rename a segment's file so that no writer and no reader uses it."""
    target = path.with_name(path.name + SET_ASIDE)
    files.replace(path, target)
    logger.warning(
        "a segment that the manifest does not list was set aside: a crash has left it, or an "
        "older manifest was restored; delete it when you do not need it",
        file=str(target),
    )


def unknown_files(format_: StorageFormat[Any, Any], directory: Path) -> Iterator[StorageCorrupt]:
    """Yield an error for each file whose name is not understood."""
    for path in list_segments(directory, format_.suffix).unknown:
        yield format_.corrupt(
            path,
            f"has the suffix of a segment, but its name is not like {segment_name(1, '')}",
            "move it to another folder",
        )


def later_files(
    format_: StorageFormat[Any, Any], directory: Path, manifest: Manifest
) -> Iterator[StorageCorrupt]:
    """Yield an error for each file that was committed later than the manifest."""
    listed = {entry.number for entry in manifest.segments}
    for number, path in list_segments(directory, format_.suffix).committed.items():
        if number >= manifest.next_segment and number not in listed:
            yield format_.corrupt(
                path,
                "is newer than the manifest, which does not list it",
                "if an older manifest was restored, put the newest one back; if an earlier version "
                "of this program was killed here, move the file to another folder; otherwise "
                + format_.corrupt.usual_remedy,
            )

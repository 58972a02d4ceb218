"""The results of checks of segments, kept per process.

Segments never change. So a process that opens a folder repeatedly checks each one once, until its
file changes. Damage that a merge or the scrub has found is kept too: the next writer that opens the
folder refuses the segment, or sets it aside.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.storage.errors import StorageCorrupt
from pipeline.storage.segment_files import with_either_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from pipeline.storage.format import Segment, SegmentEntry

    Key: TypeAlias = tuple[object, ...]

MOST: Final = 4096
"""Number of results that are kept; the oldest ones are dropped."""

TABLES: Final = "tables"
"""The part that each opening checks: the tables of a segment."""

ALL: Final = "all"
"""The part that merges, the scrub and index servers check: the whole file."""

_results: dict[Key, StorageCorrupt | None] = {}  # None for a part without damage


def check_once(path: Path, entry: SegmentEntry, part: str, check: Callable[[], object]) -> None:
    """Check a part of a segment, unless this process has done so since its file last changed.

    Args:
        path: the segment's file.
        entry: its entry in the manifest.
        part: the part, `TABLES` or `ALL`.
        check: raises StorageCorrupt if the part is damaged.

    Raises:
        StorageCorrupt: the part is damaged.
    """
    key = _key(path, entry, part)
    if key not in _results:
        _check(key, check)
    elif error := _results[key]:
        raise _copy(error)


def check_again(segment: Segment) -> None:
    """Read a whole segment and keep the result, also if it was checked before.

    Raises:
        StorageCorrupt: the segment is damaged.
    """
    _check(_key(segment.path, segment.entry, ALL), segment.check)


def keep_damage(path: Path, entry: SegmentEntry, error: StorageCorrupt) -> None:
    """Keep damage that was found in a segment."""
    _keep(_key(path, entry, ALL), error)


def refuse_known_damage(segment: Segment) -> None:
    """Raise the error of a segment in which this process has found damage before.

    Raises:
        StorageCorrupt: the segment is damaged.
    """
    if error := _results.get(_key(segment.path, segment.entry, ALL)):
        raise _copy(error)


def _check(key: Key, check: Callable[[], object]) -> None:
    try:
        check()
    except StorageCorrupt as error:
        _keep(key, error)
        raise
    _keep(key, None)


def _keep(key: Key, result: StorageCorrupt | None) -> None:
    _results.pop(key, None)
    _results[key] = result and _copy(result)
    while len(_results) > MOST:
        # Another thread may have removed the oldest one in the meantime.
        _results.pop(next(iter(_results)), None)


def _copy(error: StorageCorrupt) -> StorageCorrupt:
    """Return an equal error without a traceback, whose frames would keep files mapped."""
    return type(error)(error.path, error.problem, error.remedy)


def _key(path: Path, entry: SegmentEntry, part: str) -> Key:
    # The time of the last change of the inode also shows a file that was restored in place with
    # its former time of modification.
    file = with_either_name(path, Path.stat)
    return (
        file.st_dev,
        file.st_ino,
        file.st_mtime_ns,
        file.st_ctime_ns,
        file.st_size,
        entry,
        part,
    )

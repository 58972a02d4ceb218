"""Damaged files of the index and the store are moved to a folder, to be examined later.

A folder of an index or a store then contains ``damaged-TIME`` folders. Their times also tell how
often damage was found: after repeated damage the folder is filled again after a pause, because the
disk or the memory may be faulty.
"""

from __future__ import annotations

import calendar
import re
import time
from contextlib import suppress
from os.path import lexists
from typing import TYPE_CHECKING, Final

import structlog

from pipeline.storage import files
from pipeline.storage.segment_files import uncommitted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KEPT: Final = 6
"""Number of folders that are kept; the oldest ones are deleted."""

PERIOD: Final = 24 * 3600.0
"""Seconds for which a folder counts."""

PAUSES: Final = (0.0, 0.0, 0.0, 300.0, 900.0, 3600.0)
"""Seconds from the last damage to the filling, by the number of folders of the period before it."""

_PREFIX: Final = "damaged-"
_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(rf"{_PREFIX}(\d{{8}}T\d{{6}}Z)(?:-\d+)?", re.ASCII)

logger = structlog.get_logger("acoustid.storage.damaged_folders")


def move_damaged(directory: Path, paths: Iterable[Path]) -> Path | None:
    """Move damaged files to a new folder ``damaged-TIME`` in their own folder.

    Args:
        directory: the folder of the index or the store.
        paths: the files, with their final names; those that are missing are skipped. A folder or a
            link of such a name is moved too.

    Returns:
        The new folder. None if all files are missing: an earlier call may have moved them, and its
        caller failed later, for example on a full disk. Then there is no further damage.

    Raises:
        OSError: the disk is full, failing or read-only; some of the files may be moved.
    """
    found = [name for path in paths for name in (path, uncommitted(path)) if lexists(name)]
    if not found:
        return None
    folder = _unused_name(directory)
    files.make_directory(folder)
    for path in found:
        files.replace(path, folder / path.name)
    files.sync_directory(folder)
    files.sync_directory(directory)
    for old in damaged_folders(directory)[:-KEPT]:
        with suppress(OSError):  # the next call tries it again
            _delete(old)
    return folder


def damaged_folders(directory: Path) -> list[Path]:
    """Return the folders with damaged files, the oldest first."""
    found = [path for path in directory.glob(f"{_PREFIX}*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (_time_of(path), len(path.name), path.name))


def seconds_to_filling(directory: Path, now: float | None = None) -> float:
    """Return the seconds until an emptied folder should be filled; 0 if it should be at once.

    Args:
        directory: the folder of the index or the store.
        now: the time in seconds since the epoch; the current one by default.
    """
    now = time.time() if now is None else now
    # A time in the future, after a change of the clock, counts as now.
    times = [min(_time_of(path), now) for path in damaged_folders(directory)]
    recent = [each for each in times if now - each < PERIOD]
    if not recent:
        return 0.0
    pause = PAUSES[min(len(recent), len(PAUSES)) - 1]
    return max(0.0, max(recent) + pause - now)


def _time_of(folder: Path) -> float:
    match = _NAME.fullmatch(folder.name)
    try:
        return float(calendar.timegm(time.strptime(match[1], _FORMAT))) if match else 0.0
    except ValueError:  # such as the 99th of a month
        return 0.0


def _unused_name(directory: Path) -> Path:
    name = _PREFIX + time.strftime(_FORMAT, time.gmtime())
    # Of several folders with one time the last one has the highest number.
    same = [path.name for path in damaged_folders(directory) if path.name.startswith(name)]
    if not same:
        return directory / name
    return directory / f"{name}-{int(same[-1].removeprefix(name).lstrip('-') or 1) + 1}"


def _delete(folder: Path) -> None:
    _delete_tree(folder)
    logger.info("old folder of damaged files deleted", folder=str(folder))


def _delete_tree(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            _delete_tree(path)
        else:
            files.remove(path)
    files.remove_directory(folder)

"""The folders of the sketch index that an index worker writes, and that it removes.

A new rate needs a new index. Until it is complete, the old one is updated too, because readers use
it. Then it is removed, if it is certainly a copy of this database: decision 27.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from pipeline.excerpts.sketch_folders import other_rates, sketch_folder
from pipeline.following.open_index import open_local_updater
from pipeline.following.repair import is_own_folder
from pipeline.index import ChangelogState, FingerprintIndexError, IndexCorrupt
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.storage import files
from pipeline.storage.format import LOCK_NAME, MANIFEST_NAME, TEMPORARY_NAME
from pipeline.storage.manifest import read_manifest
from pipeline.storage.scrub import PARTIAL_NAME, SCRUB_NAME
from pipeline.storage.segment_files import list_segments

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.runtime.databases import Databases

_NAMES: Final = (MANIFEST_NAME, TEMPORARY_NAME, SCRUB_NAME, PARTIAL_NAME, LOCK_NAME)
"""The files of a folder without segments, in the order in which they are deleted."""

logger = structlog.get_logger("acoustid.following.open_sketch")


def rates_in_use(directory: Path, rate: int, databases: Databases) -> list[int]:
    """Return the rates whose indexes are updated: the set one, and others that readers may use.

    Args:
        directory: the directory of the settings.
        rate: the rate of the settings.
        databases: the fingerprint database is compared with the other indexes.
    """
    others = [
        other
        for other in _others(directory, rate)
        if _complete_position(sketch_folder(directory, other))
        and is_own_folder(INDEX_FORMAT, sketch_folder(directory, other), databases)
    ]
    return [rate, *others]


def replaced_rates(directory: Path, rate: int, databases: Databases) -> list[int]:
    """Return the other rates whose indexes can be removed: that of the set rate replaces them.

    Args:
        directory: the directory of the settings.
        rate: the rate of the settings.
        databases: only indexes of this fingerprint database, and those without data, are removed.
    """
    others = _others(directory, rate)
    complete = _complete_position(sketch_folder(directory, rate)) if others else 0
    if not complete:
        return []
    return [
        other
        for other in others
        if _has_own_files(sketch_folder(directory, other))
        and _complete_position(sketch_folder(directory, other)) <= complete
        and _may_be_removed(sketch_folder(directory, other), databases)
    ]


def remove_index(folder: Path) -> None:
    """Delete the files of an index, and its folder if nothing else is in it.

    It becomes empty in one commit. So after a crash at any time, the next call completes the
    removal.

    Raises:
        IndexBusy: another process writes it.
        IndexCorrupt: it is damaged; no file was deleted.
        OSError: the disk is failing or read-only.
    """
    with open_local_updater(folder) as writer:
        writer.rebuild([], 0, metadata={})
        for name in _NAMES:
            with suppress(FileNotFoundError):
                files.remove(folder / name)
    with suppress(OSError):  # such as folders with damaged files
        files.remove_directory(folder)
    logger.info("the sketch index of another rate was removed", folder=str(folder))


def _others(directory: Path, rate: int) -> list[int]:
    try:
        return other_rates(directory, rate)
    except OSError:
        return []


def _has_own_files(folder: Path) -> bool:
    """Return whether a removal would delete something; other files stay in the folder for ever.

    A link stays, too: it was made by someone else, and may lead to the index of the set rate.
    """
    if folder.is_symlink():
        return False
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError:
        return False
    return not names or not names.isdisjoint(_NAMES)


def _complete_position(folder: Path) -> int:
    """Return the position of an index; 0 if it is missing, not complete or cannot be read."""
    try:
        manifest = read_manifest(INDEX_FORMAT, folder)
    except (IndexCorrupt, FingerprintIndexError, OSError):
        return 0
    if manifest is None:
        return 0
    state = ChangelogState.read(manifest.position, manifest.metadata, lambda: 0)
    return 0 if state.is_filling else state.position


def _may_be_removed(folder: Path, databases: Databases) -> bool:
    """Return whether an index belongs to this database, or has no data."""
    try:
        manifest = read_manifest(INDEX_FORMAT, folder)
        if manifest is None:
            return not list_segments(folder, INDEX_FORMAT.suffix).any()
        if not manifest.position and not manifest.segments:
            return True
    except (FingerprintIndexError, OSError):
        return False
    return is_own_folder(INDEX_FORMAT, folder, databases)

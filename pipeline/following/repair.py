"""Empties a damaged copy of the service, so that it is filled from the database again.

Damaged files are moved to another folder. Intact files of a damaged state
are deleted only if its manifest shows that it belongs to this database; otherwise the settings may
name the directory of another service, and all files are moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.catalog.fingerprint import changelog
from pipeline.fingerprint_store import StoreCorrupt, StoreWriter, open_store_writer
from pipeline.fingerprint_store.store_manifest import STORE_FORMAT
from pipeline.following.open_index import IndexUpdater, open_local_updater, open_updater
from pipeline.index import ChangelogState, IndexCorrupt
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.storage.errors import StorageCorrupt
from pipeline.storage.manifest import read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.runtime.databases import Databases
    from pipeline.settings.sections import FingerprintIndexSettings
    from pipeline.storage.format import Manifest, StorageFormat


def open_or_empty_index(settings: FingerprintIndexSettings, databases: Databases) -> IndexUpdater:
    """Open the index for writing; empty a local one that is damaged.

    Raises:
        IndexBusy: another process writes it.
        IndexCorrupt: a file has an unknown name, so nothing was moved.
        IndexUnavailable: the server gives no usable answer.
        OSError: the disk is full, failing or read-only.
    """
    if settings.protocol == "local":
        return open_or_empty_folder(settings.path, databases)
    return open_updater(settings, databases)


def open_or_empty_folder(folder: Path, databases: Databases) -> IndexUpdater:
    """Open an index in local files for writing; empty one that is damaged.

    Raises:
        IndexBusy, IndexCorrupt, OSError: see `open_or_empty_index`.
    """
    try:
        return open_local_updater(folder)
    except IndexCorrupt:
        is_own = is_own_folder(INDEX_FORMAT, folder, databases)
        return open_local_updater(folder, clear_damaged=True, keep_intact=not is_own)


def open_or_empty_store(path: Path, databases: Databases) -> StoreWriter:
    """Open the store for writing; empty one that is damaged.

    Raises:
        StoreLocked: another process writes it.
        StoreCorrupt: a file has an unknown name, so nothing was moved.
        OSError: the disk is full, failing or read-only.
    """
    try:
        return open_store_writer(path)
    except StoreCorrupt:
        is_own = is_own_folder(STORE_FORMAT, path, databases)
        return open_store_writer(path, clear_damaged=True, keep_intact=not is_own)


def is_own_folder(format_: StorageFormat[Any, Any], path: Path, databases: Databases) -> bool:
    """Return whether the manifest names an entry of this database's changelog.

    It does not if it cannot be read.
    """
    try:
        manifest = read_manifest(format_, path)
    except (StorageCorrupt, OSError):
        return False
    stamped = _stamped(manifest) if manifest else None
    if stamped is None:
        return False
    with databases.engine("fingerprint").connect() as connection:
        return changelog.has_entry(connection, *stamped)


def _stamped(manifest: Manifest) -> tuple[int, int] | None:
    """Return position and time of the changelog entry in a manifest; None without one."""
    metadata = getattr(manifest, "metadata", None)
    if metadata is not None:
        return ChangelogState.read(manifest.position, metadata, lambda: 0).stamped
    stamp: int = getattr(manifest, "stamp", 0)
    return (manifest.position, stamp) if manifest.position else None

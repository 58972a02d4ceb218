"""Rebuilds the copies of a restored fingerprint database: index, store, sketch index."""

from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from cli.error_messages import explain
from cli.errors import StackError
from pipeline.catalog.fingerprint import changelog
from pipeline.excerpts.sketch_folders import sketch_folder
from pipeline.fingerprint_store import FingerprintStoreError, open_store_writer
from pipeline.following.index_copy import sketch_index
from pipeline.following.open_index import open_local_updater, open_updater
from pipeline.following.problems import INDEX, SKETCH, STORE
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import rebuild_follower, rebuild_index
from pipeline.index import FingerprintIndexError
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

Count = Callable[[int], object]
"""Called with the number of fingerprints that were read."""


def rebuild_copies(settings: Settings, databases: Databases) -> int:
    """Rebuild all copies, with progress bars; return the number of fingerprints.

    No worker runs, so the copies are at the end of the changelog afterwards.

    Raises:
        StackError: a copy cannot be written, or the fingerprint database cannot be read.
    """
    with databases.engine("fingerprint").connect() as connection:
        total = changelog.count_fingerprints(connection)
    rebuilds: dict[str, Callable[[Settings, Databases, Count], None]] = {INDEX: _rebuild_index}
    if settings.fingerprint_store.enabled:
        rebuilds[STORE] = _rebuild_store
    if settings.fingerprint_index.sketch_rate:
        rebuilds[SKETCH] = _rebuild_sketch
    for noun, rebuild in rebuilds.items():
        try:
            with tqdm(total=total, desc=noun, unit=" fingerprints", disable=None) as bar:
                rebuild(settings, databases, bar.update)
        except (
            FingerprintIndexError,
            FingerprintStoreError,
            changelog.ForeignIndexError,
            OSError,
            SQLAlchemyError,
        ) as error:
            raise StackError(f"the {noun} was not rebuilt: {explain(error)}") from error
    return total


def _rebuild_index(settings: Settings, databases: Databases, progress: Count) -> None:
    with open_updater(settings.fingerprint_index, databases, clear_damaged=True) as updater:
        rebuild_index(updater, databases, progress)


def _rebuild_store(settings: Settings, databases: Databases, progress: Count) -> None:
    with open_store_writer(settings.fingerprint_store.path, clear_damaged=True) as writer:
        rebuild_follower(StoreCopy(writer), databases, progress)


def _rebuild_sketch(settings: Settings, databases: Databases, progress: Count) -> None:
    options = settings.fingerprint_index
    folder = sketch_folder(options.sketch_path, options.sketch_rate)
    with open_local_updater(folder, clear_damaged=True) as updater:
        rebuild_follower(sketch_index(updater, options.sketch_rate), databases, progress)

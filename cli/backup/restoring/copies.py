"""Rebuilds the copies of a restored fingerprint database: index, store, sketch index."""

from collections.abc import Callable
from contextlib import ExitStack

from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from cli.error_messages import explain
from cli.errors import StackError
from pipeline.catalog.fingerprint import changelog
from pipeline.fingerprint_store import FingerprintStoreError
from pipeline.following.all_copies import CopyLockedError, build_copies, open_copies
from pipeline.index import FingerprintIndexError
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings


def rebuild_copies(settings: Settings, databases: Databases) -> int:
    """Rebuild all copies, with a progress bar; return the number of fingerprints.

    No worker runs, so the copies are at the end of the changelog afterwards.

    Raises:
        StackError: a copy cannot be written, or the fingerprint database cannot be read.
    """
    with databases.engine("fingerprint").connect() as connection:
        total = changelog.count_fingerprints(connection)
    try:
        with ExitStack() as bars, open_copies(settings, databases) as copies:

            def begin(noun: str) -> Callable[[int], object]:
                bar = tqdm(total=total, desc=noun, unit=" fingerprints", disable=None)
                return bars.enter_context(bar).update

            is_local = settings.fingerprint_index.protocol == "local"
            build_copies(copies, databases, begin, is_local=is_local)
    except (
        CopyLockedError,
        FingerprintIndexError,
        FingerprintStoreError,
        changelog.ForeignIndexError,
        OSError,
        SQLAlchemyError,
    ) as error:
        raise StackError(f"index and store were not rebuilt: {explain(error)}") from error
    return total

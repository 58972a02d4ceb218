"""Applies the changelog to the fingerprint store, together with the index or alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
import structlog

from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import changelog
from pipeline.catalog.fingerprint.changelog import LoggedFingerprint
from pipeline.fingerprint_store import (
    FingerprintStore,
    FingerprintStoreError,
    StoreRow,
    StoreWriter,
)
from pipeline.following.reading_connection import reading_connection
from pipeline.runtime.databases import Databases

logger = structlog.get_logger("acoustid.following.update_store")


class OtherDatabaseError(FingerprintStoreError):
    """The store belongs to another database, or to a state of this one before a restore."""


def log_failure(error: Exception) -> None:
    """Log that the store was not written."""
    logger.warning("the fingerprint store was not written", error=str(error))


@contextmanager
def store_may_fail(failed: Callable[[Exception], object] = log_failure) -> Iterator[None]:
    """Report an error of the store instead of raising it.

    Lookups work without the store but not without the index. So a full disk or a damaged store
    must not stop the update of the index.

    Args:
        failed: is called with the error.
    """
    try:
        yield
    except (OSError, FingerprintStoreError) as error:
        failed(error)


def check_same_database(store: StoreWriter | FingerprintStore, connection: sa.Connection) -> None:
    """Check that a store was made from the changelog of this database.

    Raises:
        OtherDatabaseError: it was not.
    """
    if not changelog.has_entry(connection, *store.reached()):
        raise OtherDatabaseError(
            f"the fingerprint store (position {store.position()}) belongs to another database, or "
            "to a state of this one before a restore: run `acoustid store rebuild`"
        )


def apply_to_store(
    store: StoreWriter, logged: Sequence[LoggedFingerprint], position: int, stamp: int
) -> None:
    """Commit entries of the changelog with the position and the stamp of the last one."""
    store.apply(_changes(logged), position, stamp)


def update_store(store: StoreWriter, databases: Databases, batch: int, until: float | None) -> None:
    """Apply the changelog's entries after the store's position.

    Args:
        store: the store to update.
        databases: the changelog is in the fingerprint database.
        batch: number of entries in one commit.
        until: the time (`time.monotonic`) after which no further batch begins; None for no limit.
            One batch is applied in any case.

    Raises:
        OtherDatabaseError: the store belongs to another database.
    """
    with reading_connection(databases) as connection:
        check_same_database(store, connection)
    while True:
        with reading_connection(databases) as connection:
            logged, position = changelog.read(connection, store.position(), batch)
            stamp = changelog.stamp(connection, position)
        if not logged:
            return
        apply_to_store(store, logged, position, stamp)
        if until is not None and time.monotonic() >= until:
            return


def rebuild_store(
    store: StoreWriter, databases: Databases, batch: int, progress: Callable[[int], object]
) -> int:
    """Rebuild the store from all fingerprints; return its position.

    Readers use the old store until the new one is complete. At the end the changelog is applied,
    for fingerprints that were inserted meanwhile.

    Args:
        store: the store to rebuild.
        databases: the fingerprints are in the fingerprint database.
        batch: number of changelog entries in one commit.
        progress: is called with the number of fingerprints of each chunk that was read.
    """
    with databases.engine("fingerprint").connect() as connection:
        position = newest_position(connection)
        stamp = changelog.stamp(connection, position)
        connection.commit()
        store.rebuild(_all_changes(connection, progress), position, stamp)
    update_store(store, databases, batch, None)
    return store.position()


def _all_changes(
    connection: sa.Connection, progress: Callable[[int], object]
) -> Iterator[dict[int, StoreRow | None]]:
    for logged in changelog.all_fingerprints(connection):
        yield _changes(logged)
        progress(len(logged))


def _changes(logged: Sequence[LoggedFingerprint]) -> dict[int, StoreRow | None]:
    return {
        each.id: None
        if each.words is None
        else StoreRow(each.length, each.track_id, each.track_gid, each.words)
        for each in logged
    }

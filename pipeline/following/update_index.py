"""The last stage of an import: applies the changelog to the index, in batches."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import changelog
from pipeline.catalog.fingerprint.changelog import ForeignIndexError, LoggedFingerprint
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint_store import StoreWriter
from pipeline.following.open_index import IndexUpdater
from pipeline.following.reading_connection import reading_connection
from pipeline.following.update_store import (
    apply_to_store,
    check_same_database,
    log_failure,
    store_may_fail,
    update_store,
)
from pipeline.index import ChangelogState, changelog_metadata
from pipeline.index.changes import Change, Delete, Insert
from pipeline.runtime.databases import Databases

BATCH: Final = 5_000  # changes applied in one commit of the index


def update_index(
    writer: IndexUpdater,
    databases: Databases,
    *,
    store: StoreWriter | None = None,
    until: float | None = None,
    store_failed: Callable[[Exception], object] = log_failure,
) -> int:
    """Apply the changelog's entries after the index's position; return the new position.

    Each commit of the index stores the position and the stamp of its entry. So after a crash, the
    next run continues there. An index at position 0 is filled from the beginning: readers refuse it
    until it has reached the changelog's position at the start of the filling. A store at the
    index's position gets the same changes. For a store at another position, the changelog is read
    again.

    Args:
        writer: the writer of the index.
        databases: the changelog is in the fingerprint database.
        store: the fingerprint store, which is updated too.
        until: the time (`time.monotonic`) after which no further batch of `BATCH` entries begins;
            None for no limit. One batch is applied in any case.
        store_failed: is called with an error of the store, which does not stop the update.

    Raises:
        ForeignIndexError: the index belongs to another database, or to a state of this one before a
            restore.
    """
    with reading_connection(databases) as connection:
        _require_own(connection, writer)
        store = _own(store, connection, store_failed)
    while True:
        with reading_connection(databases) as connection:
            target = _fill_target(connection, writer.changelog_state())
            logged, position = changelog.read(connection, writer.position(), BATCH)
            stamp = changelog.stamp(connection, position)
        metadata = changelog_metadata(position, stamp, target)
        if not logged:
            if writer.changelog_state().needs_stamp:
                writer.apply([], position, metadata=metadata)
            break
        beside = store if store and store.position() == writer.position() else None
        writer.apply(_changes(logged), position, metadata=metadata)
        if beside:
            with store_may_fail(store_failed):
                apply_to_store(beside, logged, position, stamp)
        if until is not None and time.monotonic() >= until:
            break
    if store and store.position() != writer.position():
        with store_may_fail(store_failed):
            update_store(store, databases, BATCH, until)
    return writer.position()


def update_store_alone(store: StoreWriter, databases: Databases, until: float) -> None:
    """Apply the changelog to the store while the index cannot be updated.

    Args:
        store: the store.
        databases: the changelog is in the fingerprint database.
        until: see `update_index`.

    Raises:
        OtherDatabaseError: the store belongs to another database.
        OSError, FingerprintStoreError: the store cannot be written.
    """
    update_store(store, databases, BATCH, until)


def _require_own(connection: sa.Connection, writer: IndexUpdater) -> None:
    if not _is_own(connection, writer):
        raise ForeignIndexError(
            f"the index (position {writer.position()}) belongs to another database, or to a state "
            "of this one before a restore: check [fingerprint_index], or run "
            "`acoustid index rebuild`"
        )


def _is_own(connection: sa.Connection, writer: IndexUpdater) -> bool:
    state = writer.changelog_state()
    return changelog.is_own_index(
        connection, state.position, state.stamped, state.max_document_id, writer.contains
    )


def _fill_target(connection: sa.Connection, state: ChangelogState) -> int:
    """Return the position at which the index is complete: the newest one if it is empty."""
    return state.fill_target if state.position else newest_position(connection)


def _own(
    store: StoreWriter | None,
    connection: sa.Connection,
    store_failed: Callable[[Exception], object],
) -> StoreWriter | None:
    """Return the store if it belongs to this database, else None."""
    if store:
        with store_may_fail(store_failed):
            check_same_database(store, connection)
            return store
    return None


def rebuild_index(
    writer: IndexUpdater, databases: Databases, progress: Callable[[int], object]
) -> int:
    """Rebuild the index from all fingerprints; return its position.

    Searches use the old index until the new one is complete. An index server replaces the documents
    one by one. So an index on a server that is not complete, or belongs to another database, is
    refused until the end. Then the changelog is applied, for fingerprints that were inserted
    meanwhile.

    Args:
        writer: the writer of the index.
        databases: the fingerprints are in the fingerprint database.
        progress: is called with the number of fingerprints of each chunk that was read.
    """
    from pipeline.index_http import HttpIndexUpdater  # noqa: PLC0415 - workers do not rebuild

    with databases.engine("fingerprint").connect() as connection:
        position = newest_position(connection)
        metadata = changelog_metadata(position, changelog.stamp(connection, position))
        if isinstance(writer, HttpIndexUpdater) and not _is_right(connection, writer):
            writer.begin_filling(position)
        connection.commit()
        writer.rebuild(_all_changes(connection, progress), position, metadata=metadata)
    return update_index(writer, databases)


def _is_right(connection: sa.Connection, writer: IndexUpdater) -> bool:
    """Return whether searches may use the content of an index while it is rebuilt."""
    state = writer.changelog_state()
    return state.position > 0 and not state.is_filling and _is_own(connection, writer)


def _all_changes(
    connection: sa.Connection, progress: Callable[[int], object]
) -> Iterator[list[Change]]:
    for logged in changelog.all_fingerprints(connection):
        yield _changes(logged)
        progress(len(logged))


def _changes(logged: Sequence[LoggedFingerprint]) -> list[Change]:
    return [
        Delete(each.id) if each.words is None else Insert(each.id, extract_query(each.words))
        for each in logged
    ]

"""The last stage of an import: applies the changelog to the index, in batches."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.fingerprint import changelog
from pipeline.catalog.fingerprint.changelog import LoggedFingerprint
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint_store import StoreWriter
from pipeline.following.open_index import IndexUpdater
from pipeline.following.update_store import (
    apply_to_store,
    check_same_database,
    store_may_fail,
    update_store,
)
from pipeline.index.changes import Change, Delete, Insert
from pipeline.runtime.databases import Databases

BATCH: Final = 5_000  # changes applied in one commit of the index


def update_index(
    writer: IndexUpdater,
    databases: Databases,
    *,
    store: StoreWriter | None = None,
    batches: int | None = None,
) -> int:
    """Apply the changelog's entries after the index's position; return the new position.

    Each commit of the index stores the position. So after a crash, the next run continues there.
    A store at the index's position gets the same changes. For a store at another position, the
    changelog is read again.

    Args:
        writer: the writer of the index.
        databases: the changelog is in the fingerprint database.
        store: the fingerprint store, which is updated too.
        batches: maximum number of batches of `BATCH` entries; None for all entries.

    Raises:
        IndexAheadError: the database was restored from a backup older than the index.
    """
    done = 0
    with databases.engine("fingerprint").connect() as connection:
        store = _own(store, connection)
        while batches is None or done < batches:
            logged, position = changelog.read(connection, writer.position(), BATCH)
            connection.commit()
            if not logged:
                changelog.check_position(connection, writer.position())
                break
            beside = store if store and store.position() == writer.position() else None
            writer.apply(_changes(logged), position)
            if beside:
                with store_may_fail():
                    apply_to_store(beside, connection, logged, position)
            done += 1
        if store and store.position() != writer.position():
            with store_may_fail():
                update_store(store, connection, BATCH, batches)
    return writer.position()


def _own(store: StoreWriter | None, connection: sa.Connection) -> StoreWriter | None:
    """Return the store if it belongs to this database, else None."""
    if store:
        with store_may_fail():
            check_same_database(store, connection)
            return store
    return None


def rebuild_index(
    writer: IndexUpdater, databases: Databases, progress: Callable[[int], object]
) -> int:
    """Rebuild the index from all fingerprints; return its position.

    Searches use the old index until the new one is complete. At the end the changelog is applied,
    for fingerprints that were inserted meanwhile.

    Args:
        writer: the writer of the index.
        databases: the fingerprints are in the fingerprint database.
        progress: is called with the number of fingerprints of each chunk that was read.
    """
    with databases.engine("fingerprint").connect() as connection:
        position = changelog.position(connection)
        connection.commit()
        writer.rebuild(_all_changes(connection, progress), position)
    return update_index(writer, databases)


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

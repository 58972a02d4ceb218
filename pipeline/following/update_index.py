"""The last stage: the index catches up with the changelog, in batches, from where it stands."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.fingerprint import changelog
from pipeline.catalog.fingerprint.changelog import LoggedFingerprint
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint_store import StoreWriter
from pipeline.following.open_index import IndexUpdater
from pipeline.following.update_store import apply_to_store, check_own, follow, store_may_fail
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
    """Apply what the changelog holds beyond the index's position; return the new position.

    The position is stored in the index's own commit, so that a run which died is simply repeated.
    A store at the same position gets the same changes, one that is behind follows by itself.

    Args:
        writer: of the index to bring up to date.
        databases: of which the fingerprint database holds the changelog.
        store: the fingerprint store, to bring up to date as well.
        batches: stop after so many, all that there are by default.

    Raises:
        IndexAheadError: the database was restored from before the index's position.
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
                follow(store, connection, BATCH, batches)
    return writer.position()


def _own(store: StoreWriter | None, connection: sa.Connection) -> StoreWriter | None:
    """Return the store if it may be written, None if it is another database's."""
    if store:
        with store_may_fail():
            check_own(store, connection)
            return store
    return None


def rebuild_index(
    writer: IndexUpdater, databases: Databases, progress: Callable[[int], object]
) -> int:
    """Build the index anew from the fingerprints; return its position.

    Searches go on in the old one until the new one is complete; what was added during the scan is
    in the changelog, which is applied at the end.

    Args:
        writer: of the index to build anew.
        databases: of which the fingerprint database holds everything.
        progress: called with the number of fingerprints of each chunk that was read.
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

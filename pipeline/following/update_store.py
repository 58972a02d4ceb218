"""The fingerprint store follows the changelog, with the index where they are at one position."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
import structlog

from pipeline.catalog.fingerprint import changelog
from pipeline.catalog.fingerprint.changelog import LoggedFingerprint
from pipeline.fingerprint_store import (
    FingerprintStore,
    FingerprintStoreError,
    StoreRow,
    StoreWriter,
)
from pipeline.runtime.databases import Databases

logger = structlog.get_logger("acoustid.following.update_store")


class ForeignStoreError(FingerprintStoreError):
    """The store follows another database, or this one from before it was restored."""


@contextmanager
def store_may_fail() -> Iterator[None]:
    """Tell in the log why the store can't be written, and go on.

    Lookups do without the store, and not without the index: so a store that has no room left or
    is damaged stops no one.
    """
    try:
        yield
    except (OSError, FingerprintStoreError) as error:
        logger.exception("the fingerprint store was not written", error=str(error))


def check_own(store: StoreWriter | FingerprintStore, connection: sa.Connection) -> None:
    """Check that a store follows the changelog of this database.

    Raises:
        ForeignStoreError: it doesn't.
    """
    if not changelog.has_entry(connection, *store.reached()):
        raise ForeignStoreError(
            f"the fingerprint store is at position {store.position()} of another database's "
            "changelog, or of this one's before it was restored: run `acoustid store rebuild`"
        )


def apply_to_store(
    store: StoreWriter,
    connection: sa.Connection,
    logged: Sequence[LoggedFingerprint],
    position: int,
) -> None:
    """Commit changes of the changelog with the position they lead up to."""
    store.apply(_changes(logged), position, changelog.stamp(connection, position))


def follow(store: StoreWriter, connection: sa.Connection, batch: int, batches: int | None) -> None:
    """Apply what the changelog holds beyond the store's position.

    Args:
        store: to bring up to date.
        connection: to the fingerprint database.
        batch: changes applied in one commit.
        batches: stop after so many; None for all that there are.

    Raises:
        ForeignStoreError: it follows another database.
    """
    check_own(store, connection)
    done = 0
    while batches is None or done < batches:
        logged, position = changelog.read(connection, store.position(), batch)
        connection.commit()
        if not logged:
            return
        apply_to_store(store, connection, logged, position)
        done += 1


def rebuild_store(
    store: StoreWriter, databases: Databases, batch: int, progress: Callable[[int], object]
) -> int:
    """Build the store anew from the fingerprints; return its position.

    Readers go on in the old one until the new one is complete; what was added during the scan is
    in the changelog, which is applied at the end.

    Args:
        store: to build anew.
        databases: of which the fingerprint database holds everything.
        batch: changes from the changelog applied in one commit.
        progress: called with the number of fingerprints of each chunk that was read.
    """
    with databases.engine("fingerprint").connect() as connection:
        position = changelog.position(connection)
        stamp = changelog.stamp(connection, position)
        connection.commit()
        store.rebuild(_everything(connection, progress), position, stamp)
        follow(store, connection, batch, None)
    return store.position()


def _everything(
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

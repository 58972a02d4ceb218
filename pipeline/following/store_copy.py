"""The fingerprint store as a copy of the fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.catalog.fingerprint import changelog
from pipeline.fingerprint_store import FingerprintStoreError, StoreRow
from pipeline.following.problems import STORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import sqlalchemy as sa

    from pipeline.catalog.fingerprint.changelog import LoggedFingerprint
    from pipeline.fingerprint_store import FingerprintStore, StoreWriter
    from pipeline.following.copies import Batch


class OtherDatabaseError(FingerprintStoreError):
    """The store belongs to another database, or to a state of this one before a restore."""


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


class StoreCopy:
    """The fingerprint store, open for writing; a `Copy`.

    Args:
        writer: the writer of the store.
    """

    noun = STORE

    def __init__(self, writer: StoreWriter) -> None:
        self._writer = writer

    def position(self) -> int:
        """Return the changelog position of its last commit."""
        return self._writer.position()

    def require_own(self, connection: sa.Connection) -> None:
        """Check that it was made from the changelog of a fingerprint database.

        Raises:
            OtherDatabaseError: it was not.
        """
        check_same_database(self._writer, connection)

    def apply(self, batch: Batch) -> None:
        """Commit the changes after its position, if there are any."""
        if batch.logged:
            self._writer.apply(_changes(batch.logged), batch.position, batch.stamp)

    def rebuild(
        self, batches: Iterable[Sequence[LoggedFingerprint]], position: int, stamp: int
    ) -> None:
        """Replace its content. Readers use the old one until the new one is complete."""
        self._writer.rebuild(map(_changes, batches), position, stamp)


def _changes(logged: Sequence[LoggedFingerprint]) -> dict[int, StoreRow | None]:
    return {
        each.id: None
        if each.words is None
        else StoreRow(each.length, each.track_id, each.track_gid, each.words)
        for each in logged
    }

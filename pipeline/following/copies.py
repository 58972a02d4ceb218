"""What all copies of the fingerprints have in common: the index, the store and the sketch index.

A copy has the content of the database at a position of the changelog. The changes after it are read
in batches. Copies at the same position get the same batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import changelog
from pipeline.following.reading_connection import reading_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import sqlalchemy as sa

    from pipeline.catalog.fingerprint.changelog import LoggedFingerprint
    from pipeline.runtime.databases import Databases

BATCH: Final = 5_000
"""Maximum number of changes that are applied in one commit."""

BATCH_BYTES: Final = 64 << 20
"""A batch ends with the fingerprint that reaches this number of bytes.

So a batch of hour-long fingerprints needs no more memory than one of usual length, which has 20 MB.
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that follow each other in the changelog.

    Attributes:
        logged: the changed fingerprints, in the order of the changelog.
        position: the position of the last change; without changes the one after which was read.
        stamp: the time of the entry at that position, in µs since the epoch.
        target: in a batch from the beginning of the changelog its newest position, at which a copy
            is complete; else 0.
    """

    logged: Sequence[LoggedFingerprint]
    position: int
    stamp: int
    target: int = 0


class Copy(Protocol):
    """A copy of the fingerprints, open for writing.

    Attributes:
        noun: its name in messages; see `pipeline.following.problems`.
    """

    noun: str

    def position(self) -> int:
        """Return the changelog position of its last commit."""
        ...

    def require_own(self, connection: sa.Connection) -> None:
        """Check that it was made from the changelog of a fingerprint database.

        Raises:
            ForeignIndexError, OtherDatabaseError: it was not.
        """
        ...

    def apply(self, batch: Batch) -> None:
        """Commit the changes after its position. A batch without changes may renew its stamp."""
        ...

    def rebuild(
        self, batches: Iterable[Sequence[LoggedFingerprint]], position: int, stamp: int
    ) -> None:
        """Replace its content. Readers use the old one until the new one is complete."""
        ...


def read_batch(databases: Databases, after: int) -> Batch:
    """Read the changes after a position: at most `BATCH`, about `BATCH_BYTES` bytes.

    Raises:
        sqlalchemy.exc.OperationalError: the database does not reply in time.
    """
    with reading_connection(databases) as connection:
        target = 0 if after else newest_position(connection)
        logged, position = changelog.read(connection, after, BATCH, most_bytes=BATCH_BYTES)
        return Batch(logged, position, changelog.stamp(connection, position), target)


def rebuild_copy(copy: Copy, databases: Databases, progress: Callable[[int], object]) -> None:
    """Rebuild a copy from all fingerprints, at the position at which the reading began.

    Args:
        copy: the copy.
        databases: the fingerprints are in the fingerprint database.
        progress: is called with the number of fingerprints of each chunk that was read.
    """
    with databases.engine("fingerprint").connect() as connection:
        position = newest_position(connection)
        stamp = changelog.stamp(connection, position)
        connection.commit()
        copy.rebuild(_all_fingerprints(connection, progress), position, stamp)


def _all_fingerprints(
    connection: sa.Connection, progress: Callable[[int], object]
) -> Iterator[Sequence[LoggedFingerprint]]:
    for logged in changelog.all_fingerprints(connection, BATCH, most_bytes=BATCH_BYTES):
        yield logged
        progress(len(logged))

"""The last stage of an import: applies the changelog to the index, in batches."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipeline.catalog.changelog_position import newest_position
from pipeline.following.copies import read_batch, rebuild_copy
from pipeline.following.followers import Followers, log_failure, raise_failure
from pipeline.following.index_copy import public_index
from pipeline.following.reading_connection import reading_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.following.copies import Copy
    from pipeline.following.followers import Failed
    from pipeline.following.index_copy import IndexCopy
    from pipeline.following.open_index import IndexUpdater
    from pipeline.runtime.databases import Databases


def update_index(
    writer: IndexUpdater,
    databases: Databases,
    *,
    followers: Iterable[Copy] = (),
    until: float | None = None,
    failed: Failed = log_failure,
) -> int:
    """Apply the changelog's entries after the index's position; return the new position.

    Each commit of the index stores the position and the stamp of its entry. So after a crash, the
    next run continues there. An index at position 0 is filled from the beginning: readers refuse it
    until it has reached the changelog's position at the start of the filling. Copies at the
    index's position get the same changes. For copies at another position, the changelog is read
    again. Each of them gets one batch, then the index is updated again.

    Args:
        writer: the writer of the index.
        databases: the changelog is in the fingerprint database.
        followers: the copies that are updated too.
        until: the time (`time.monotonic`) after which no further batch begins; None for no limit.
            One batch is applied in any case, to the index and to each copy that is behind.
        failed: is called with the noun and the error of a copy, which does not stop the update.

    Raises:
        ForeignIndexError: the index belongs to another database, or to a state of this one before a
            restore.
    """
    index = public_index(writer)
    with reading_connection(databases) as connection:
        index.require_own(connection)
    following = Followers(followers, databases, failed)
    while True:
        _apply_all(index, databases, following, until)
        if not following.advance(index.position()) or _is_over(until):
            return index.position()


def _apply_all(
    index: IndexCopy, databases: Databases, followers: Followers, until: float | None
) -> None:
    """Update the index to the end of the changelog; see `update_index` for the time limit."""
    while True:
        position = index.position()
        batch = read_batch(databases, position)
        index.apply(batch)
        followers.apply_beside(position, batch)
        if not batch.logged or _is_over(until):
            return


def _is_over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until


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

    index = public_index(writer)
    if isinstance(writer, HttpIndexUpdater):
        with databases.engine("fingerprint").connect() as connection:
            if not (index.is_complete() and index.is_own(connection)):
                writer.begin_filling(newest_position(connection))
    rebuild_copy(index, databases, progress)
    return update_index(writer, databases)


def rebuild_follower(copy: Copy, databases: Databases, progress: Callable[[int], object]) -> int:
    """Rebuild another copy from all fingerprints; return its position.

    Readers use the old content until the new one is complete. At the end the changelog is applied,
    for fingerprints that were inserted meanwhile.

    Args:
        copy: the copy.
        databases: the fingerprints are in the fingerprint database.
        progress: is called with the number of fingerprints of each chunk that was read.

    Raises:
        OSError, FingerprintStoreError, FingerprintIndexError: its files cannot be written.
    """
    rebuild_copy(copy, databases, progress)
    followers = Followers([copy], databases, raise_failure)
    while followers.advance():
        pass
    return copy.position()

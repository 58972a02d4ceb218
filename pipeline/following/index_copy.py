"""The index and the sketch index as copies of the fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.catalog.fingerprint import changelog
from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint.sketch import sketch_terms_batch
from pipeline.following.problems import COMMANDS, INDEX, SKETCH
from pipeline.index import changelog_metadata
from pipeline.index.changes import Delete, Insert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    import sqlalchemy as sa
    from numpy.typing import NDArray

    from pipeline.catalog.fingerprint.changelog import LoggedFingerprint
    from pipeline.fingerprint.words import Words
    from pipeline.following.copies import Batch
    from pipeline.following.open_index import IndexUpdater
    from pipeline.index import ChangelogState
    from pipeline.index.changes import Change

    Sample = Mapping[int, NDArray[np.uint32]]

    Terms = Callable[[Sequence[Words]], Iterable[Words]]
    """Returns the terms of each fingerprint of a batch."""


class IndexCopy:
    """An index of terms of the fingerprints, open for writing; a `Copy`.

    Args:
        writer: the writer of the index.
        noun: its name in messages.
        terms: chooses the terms.
    """

    def __init__(self, writer: IndexUpdater, noun: str, terms: Terms) -> None:
        self.noun = noun
        self._writer = writer
        self._terms = terms

    def position(self) -> int:
        """Return the changelog position of its last commit."""
        return self._writer.position()

    def is_complete(self) -> bool:
        """Return whether it is not being filled from the beginning."""
        state = self._writer.changelog_state()
        return state.position > 0 and not state.is_filling

    def is_own(self, connection: sa.Connection) -> bool:
        """Return whether it was made from the changelog of a fingerprint database."""
        return is_own_index(connection, self._writer.changelog_state(), self._writer.contains)

    def require_own(self, connection: sa.Connection) -> None:
        """Check that it was made from the changelog of a fingerprint database.

        Raises:
            ForeignIndexError: it was not.
        """
        if not self.is_own(connection):
            raise foreign(self.noun, self.position())

    def apply(self, batch: Batch) -> None:
        """Commit the changes after its position; without changes a missing stamp only."""
        state = self._writer.changelog_state()
        if not batch.logged and not state.needs_stamp:
            return
        target = state.fill_target if state.position else batch.target
        metadata = changelog_metadata(batch.position, batch.stamp, target)
        self._writer.apply(self._changes(batch.logged), batch.position, metadata=metadata)

    def rebuild(
        self, batches: Iterable[Sequence[LoggedFingerprint]], position: int, stamp: int
    ) -> None:
        """Replace its content. Readers use the old one until the new one is complete."""
        metadata = changelog_metadata(position, stamp)
        self._writer.rebuild(map(self._changes, batches), position, metadata=metadata)

    def _changes(self, logged: Sequence[LoggedFingerprint]) -> list[Change]:
        rows = [each.words for each in logged if each.words is not None]
        terms = iter(self._terms(rows) if rows else ())
        return [
            Delete(each.id) if each.words is None else Insert(each.id, next(terms))
            for each in logged
        ]


def is_own_index(
    connection: sa.Connection, state: ChangelogState, contains: Callable[[Sample], bool]
) -> bool:
    """Return whether an index in a state was made from the changelog of a database.

    Args:
        connection: a connection to the fingerprint database.
        state: the state.
        contains: see `changelog.is_own_index`.
    """
    return changelog.is_own_index(
        connection, state.position, state.stamped, state.max_document_id, contains
    )


def foreign(noun: str, position: int) -> ForeignIndexError:
    """Return the error for an index that was made from another changelog."""
    return ForeignIndexError(
        f"the {noun} (position {position}) belongs to another database, or to a state of this one "
        f"before a restore: check [fingerprint_index], or run `{COMMANDS[noun]}`"
    )


def public_index(writer: IndexUpdater) -> IndexCopy:
    """Return the index of the public algorithm."""
    return IndexCopy(writer, INDEX, lambda rows: map(extract_query, rows))


def sketch_index(writer: IndexUpdater, rate: int) -> IndexCopy:
    """Return a sketch index.

    Args:
        writer: the writer of the index.
        rate: it has one of so many terms.
    """
    return IndexCopy(writer, SKETCH, lambda rows: sketch_terms_batch(rows, rate))

"""What this service reads of MusicBrainz, derived from its statements."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from pipeline.catalog.musicbrainz import statements
from pipeline.catalog.musicbrainz.recording_redirects import redirects_statement
from pipeline.catalog.musicbrainz.tables import SCHEMA


@dataclass(frozen=True, slots=True)
class Read:
    """One statement of this service.

    Attributes:
        statement: returns the statement.
        effect: what follows if the database refuses the statement.
        is_required: whether the database is of no use then.
    """

    statement: Callable[[], sa.Select[Any]]
    effect: str
    is_required: bool = True

    def columns(self) -> frozenset[sa.Column[Any]]:
        """Return the columns of MusicBrainz that the statement reads."""
        found = {
            base
            for element in visitors.iterate(self.statement())
            if isinstance(element, sa.ColumnElement)
            for base in element.base_columns
            if isinstance(base, sa.Column)
        }
        return frozenset(each for each in found if _is_musicbrainz(each))


READS: Final = (
    Read(partial(statements.recordings, isrcs=False), "lookups have no metadata"),
    Read(statements.tracks, "lookups have no releases and no release groups"),
    Read(statements.releases, "lookups have no releases and no release groups"),
    Read(statements.artists, "lookups have no artists"),
    Read(
        partial(statements.recordings, isrcs=True),
        "lookups that ask for ISRCs have no metadata",
        is_required=False,
    ),
    Read(
        statements.events,
        "lookups that ask for releases with all fields have no metadata",
        is_required=False,
    ),
    Read(
        redirects_statement,
        "links to MBIDs that MusicBrainz merged or removed stay as they are",
        is_required=False,
    ),
)
"""The statements of lookups, and the one of the tasks that follow merges of MusicBrainz."""


def columns_read() -> frozenset[sa.Column[Any]]:
    """Return all columns that this service reads."""
    return frozenset().union(*(read.columns() for read in READS))


def _is_musicbrainz(column: sa.Column[Any]) -> bool:
    return isinstance(column.table, sa.Table) and column.table.schema == SCHEMA

"""Counts the imported submissions of sources, from the rows that imports have written."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.ingest.tables import fingerprint_source


@dataclass(frozen=True, slots=True)
class Contributions:
    """The imported submissions of some sources.

    Attributes:
        count: their number.
        last: when the last one was imported; None without any.
    """

    count: int = 0
    last: datetime | None = None


def contributions(connection: sa.Connection, source_ids: Iterable[int]) -> Contributions:
    """Return the imported submissions of sources, also those whose receipts were deleted.

    Args:
        connection: a connection to the ``ingest`` database.
        source_ids: the ids of the sources in the ``app`` database.
    """
    statement = sa.select(sa.func.count(), sa.func.max(fingerprint_source.c.created)).where(
        is_one_of(fingerprint_source.c.source_id, source_ids)
    )
    return Contributions(*connection.execute(statement).one())


def contributions_by_source(connection: sa.Connection, source_ids: Iterable[int]) -> dict[int, int]:
    """Return the number of imported submissions by source id; sources without any are left out."""
    column = fingerprint_source.c.source_id
    statement = (
        sa.select(column, sa.func.count()).where(is_one_of(column, source_ids)).group_by(column)
    )
    return dict(connection.execute(statement).all())

"""The newest position of the changelog."""

from datetime import datetime

import sqlalchemy as sa

from pipeline.catalog.fingerprint.tables import fpindex_changelog


def newest_position(connection: sa.Connection, *, until: datetime | None = None) -> int:
    """Return the newest position: the id of the last entry, 0 if there is none.

    Args:
        connection: a connection to the fingerprint database.
        until: leave out entries that were written after this time.
    """
    newest = sa.select(sa.func.max(fpindex_changelog.c.id))
    if until is not None:
        newest = newest.where(fpindex_changelog.c.created <= until)
    return connection.execute(newest).scalar() or 0

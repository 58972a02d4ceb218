"""Changes the revision of a database, as another version of the service leaves it."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from pipeline.catalog.schema_version import version_table
from pipeline.settings.sections import DatabaseSettings


@contextmanager
def at_revision(database: DatabaseSettings, name: str, revision: str | None) -> Iterator[None]:
    """Set the revision of a logical database, or delete it, and restore it in the end.

    Args:
        database: the settings of the database.
        name: the name of the logical database.
        revision: the revision; None for a database before its first migration.
    """
    engine = sa.create_engine(database.url(), poolclass=sa.NullPool)
    table = sa.table(version_table(name), sa.column("version_num"))

    def replace(number: str | None) -> str:
        with engine.begin() as connection:
            before = connection.execute(sa.select(table.c.version_num)).scalar_one_or_none()
            connection.execute(sa.delete(table))
            if number:
                connection.execute(sa.insert(table).values(version_num=number))
        return str(before)

    before = replace(revision)
    try:
        yield
    finally:
        replace(before)

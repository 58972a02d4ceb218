"""Makes tables in the schema `NEW` that equal those in use.

Definitions are read from PostgreSQL's catalogs, so indexes and rights that an operator has added
are in the new tables, too.
"""

from typing import Final

import sqlalchemy as sa

from pipeline.catalog.musicbrainz.dump.schemas import NEW, look_in, run, run_together
from pipeline.catalog.musicbrainz.tables import SCHEMA

# Statements for keys, other indexes, options and comments, with names that have no schema. The
# pretty form of a definition omits the schema of a name that the search path finds.
_DEFINITIONS: Final = sa.text(
    """
    WITH found AS (SELECT to_regclass(:name) AS id)
    SELECT statement FROM (
        SELECT 1, conname, format('ALTER TABLE %s ADD CONSTRAINT %I %s',
                                  conrelid::regclass, conname, pg_get_constraintdef(oid, true))
          FROM pg_constraint JOIN found ON conrelid = found.id
         WHERE contype IN ('p', 'u', 'x')
        UNION ALL
        SELECT 2, indexrelid::regclass::text, pg_get_indexdef(indexrelid, 0, true)
          FROM pg_index JOIN found ON indrelid = found.id
         WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        UNION ALL
        SELECT 3, '', format('ALTER TABLE %s SET (%s)',
                             oid::regclass, array_to_string(reloptions, ', '))
          FROM pg_class JOIN found ON oid = found.id
         WHERE reloptions IS NOT NULL
        UNION ALL
        SELECT 4, '', format('COMMENT ON TABLE %s IS %L', id::regclass, obj_description(id))
          FROM found
         WHERE obj_description(id, 'pg_class') IS NOT NULL
        UNION ALL
        SELECT 5, conname, format('COMMENT ON CONSTRAINT %I ON %s IS %L', conname,
                                  conrelid::regclass, obj_description(oid, 'pg_constraint'))
          FROM pg_constraint JOIN found ON conrelid = found.id
         WHERE contype IN ('p', 'u', 'x') AND obj_description(oid, 'pg_constraint') IS NOT NULL
        UNION ALL
        SELECT 6, indexrelid::regclass::text,
               format('COMMENT ON INDEX %s IS %L',
                      indexrelid::regclass, obj_description(indexrelid, 'pg_class'))
          FROM pg_index JOIN found ON indrelid = found.id
         WHERE obj_description(indexrelid, 'pg_class') IS NOT NULL
    ) AS each (step, name, statement)
    ORDER BY step, name
    """
)

# Views, in the order in which they were made: a view may read an older one.
_VIEWS: Final = sa.text(
    """
    SELECT statement FROM (
        SELECT oid, 1, format('CREATE VIEW %I AS %s', relname, pg_get_viewdef(oid, true))
          FROM pg_class
         WHERE relnamespace = to_regnamespace(:schema) AND relkind = 'v'
        UNION ALL
        SELECT oid, 2, format('COMMENT ON VIEW %I IS %L', relname, obj_description(oid, 'pg_class'))
          FROM pg_class
         WHERE relnamespace = to_regnamespace(:schema) AND relkind = 'v'
           AND obj_description(oid, 'pg_class') IS NOT NULL
    ) AS each (oid, step, statement)
    ORDER BY oid, step
    """
)


def create_table(connection: sa.Connection, name: str) -> None:
    """Create an empty table without keys and indexes.

    Args:
        connection: a connection in a transaction.
        name: the name of the table, in both schemas.
    """
    run(
        connection,
        f"CREATE TABLE {NEW}.{name} (LIKE {SCHEMA}.{name} INCLUDING ALL EXCLUDING INDEXES)",
    )


def create_keys(connection: sa.Connection, name: str) -> None:
    """Create the keys, the other indexes, the options and the comments of a table.

    Raises:
        sqlalchemy.exc.IntegrityError: rows have the same key.
    """
    _repeat(connection, _DEFINITIONS, name=f"{SCHEMA}.{name}")


def create_views(connection: sa.Connection) -> None:
    """Create the views of the schema in use in the new one."""
    _repeat(connection, _VIEWS, schema=SCHEMA)


def _repeat(connection: sa.Connection, definitions: sa.TextClause, **values: str) -> None:
    """Run statements that describe objects in use, for the new schema."""
    look_in(connection, SCHEMA)
    found = connection.execute(definitions, values).scalars().all()
    look_in(connection, NEW)
    run_together(connection, found)

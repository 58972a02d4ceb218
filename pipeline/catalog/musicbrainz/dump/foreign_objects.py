"""Finds what else is in the schema of the copy of MusicBrainz, and what depends on its tables."""

from typing import Final

import sqlalchemy as sa

from pipeline.catalog.musicbrainz.dump.dump_format import TABLES
from pipeline.catalog.musicbrainz.dump.errors import DumpError
from pipeline.catalog.musicbrainz.tables import SCHEMA

_FOUND: Final = sa.text(
    """
    WITH own AS (
        SELECT oid FROM pg_class
         WHERE relnamespace = to_regnamespace(:schema) AND relkind IN ('r', 'v')
    )
    SELECT format('relation %s', oid::regclass) FROM pg_class
     WHERE relnamespace = to_regnamespace(:schema) AND relkind IN ('r', 'p', 'm', 'f', 'S', 'c')
       AND NOT (relkind = 'r' AND relname = ANY(:tables))
    UNION ALL
    SELECT format('routine %s', oid::regprocedure) FROM pg_proc
     WHERE pronamespace = to_regnamespace(:schema)
    UNION ALL
    SELECT format('type %s', oid::regtype) FROM pg_type
     WHERE typnamespace = to_regnamespace(:schema) AND typtype IN ('d', 'e', 'r')
    UNION ALL
    SELECT DISTINCT format('view %s', ev_class::regclass)
      FROM pg_depend
      JOIN own ON refclassid = 'pg_class'::regclass AND refobjid = own.oid
      JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
      JOIN pg_class ON pg_class.oid = ev_class
     WHERE relnamespace <> to_regnamespace(:schema)
    UNION ALL
    SELECT format('foreign key %I of %s', conname, conrelid::regclass) FROM pg_constraint
     WHERE contype = 'f' AND (conrelid IN (TABLE own) OR confrelid IN (TABLE own))
    UNION ALL
    SELECT format('trigger %I of %s', tgname, tgrelid::regclass) FROM pg_trigger
     WHERE tgrelid IN (TABLE own) AND NOT tgisinternal
    ORDER BY 1
    """
)


def require_own_objects(connection: sa.Connection) -> None:
    """Refuse a schema of which the switch would lose something.

    Raises:
        DumpError: the schema has objects that the migrations did not make and that cannot be made
            again from their definitions, or objects elsewhere depend on its tables.
    """
    found = connection.execute(_FOUND, {"schema": SCHEMA, "tables": list(TABLES)}).scalars().all()
    if found:
        raise DumpError(
            f"the load would lose {', '.join(found)}, which this service did not make: drop them, "
            f"or move them to another schema than {SCHEMA}, and make them again after the load"
        )

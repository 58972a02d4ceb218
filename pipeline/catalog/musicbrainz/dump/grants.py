"""Gives the new tables the owners and the rights of those in use."""

from typing import Final

import sqlalchemy as sa

from pipeline.catalog.musicbrainz.dump.schemas import NEW, run_found
from pipeline.catalog.musicbrainz.tables import SCHEMA

_BECOME_OWNER: Final = sa.text(
    """
    SELECT format('SET ROLE %I', nspowner::regrole::text)
      FROM pg_namespace
     WHERE nspname = :schema AND nspowner <> current_user::regrole
    """
)

_OWNERS: Final = sa.text(
    """
    SELECT format('ALTER TABLE %I.%I OWNER TO %s', :new, relname, used.relowner::regrole)
      FROM pg_class AS used JOIN pg_class AS made USING (relname)
     WHERE used.relnamespace = to_regnamespace(:used)
       AND made.relnamespace = to_regnamespace(:new)
       AND used.relkind IN ('r', 'v') AND used.relowner <> made.relowner
     ORDER BY relname
    """
)

# The rights of tables, views and columns that differ.
_RIGHTS: Final = sa.text(
    """
    WITH rights AS (
        SELECT relnamespace, relname, '' AS columns,
               (aclexplode(coalesce(relacl, acldefault('r', relowner)))).*
          FROM pg_class
         WHERE relnamespace IN (to_regnamespace(:used), to_regnamespace(:new))
           AND relkind IN ('r', 'v')
        UNION ALL
        SELECT relnamespace, relname, format(' (%I)', attname), (aclexplode(attacl)).*
          FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
         WHERE relnamespace = to_regnamespace(:used) AND relkind IN ('r', 'v')
    ), named AS (
        SELECT relnamespace = to_regnamespace(:used) AS is_used, relname, columns,
               privilege_type AS privilege, is_grantable,
               CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
          FROM rights
    ), used AS (
        SELECT relname, columns, privilege, is_grantable, role FROM named WHERE is_used
    ), made AS (
        SELECT relname, columns, privilege, is_grantable, role FROM named WHERE NOT is_used
    )
    SELECT statement FROM (
        SELECT 1, format('REVOKE %s ON %I.%I FROM %s', privilege, :new, relname, role)
          FROM (TABLE made EXCEPT TABLE used) AS surplus
        UNION ALL
        SELECT 2, format('GRANT %s%s ON %I.%I TO %s', privilege, columns, :new, relname, role)
                  || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
          FROM (TABLE used EXCEPT TABLE made) AS missing
    ) AS each (step, statement)
    ORDER BY step, statement
    """
)

# The rights of the schema that differ, those of objects that are made in it later, its comment.
_SCHEMA: Final = sa.text(
    """
    WITH named AS (
        SELECT nspname = :used AS is_used, privilege_type AS privilege, is_grantable,
               CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
          FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
         WHERE nspname IN (:used, :new)
    ), used AS (
        SELECT privilege, is_grantable, role FROM named WHERE is_used
    ), made AS (
        SELECT privilege, is_grantable, role FROM named WHERE NOT is_used
    ), later AS (
        SELECT defaclrole::regrole::text AS maker, privilege_type AS privilege, is_grantable,
               CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES'
                                  WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' END AS kind,
               CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
          FROM pg_default_acl, aclexplode(defaclacl)
         WHERE defaclnamespace = to_regnamespace(:used)
    )
    SELECT statement FROM (
        SELECT 1, format('REVOKE %s ON SCHEMA %I FROM %s', privilege, :new, role)
          FROM (TABLE made EXCEPT TABLE used) AS surplus
        UNION ALL
        SELECT 2, format('GRANT %s ON SCHEMA %I TO %s', privilege, :new, role)
                  || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
          FROM (TABLE used EXCEPT TABLE made) AS missing
        UNION ALL
        SELECT 3, format('ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA %I GRANT %s ON %s TO %s',
                         maker, :new, privilege, kind, role)
                  || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
          FROM later
        UNION ALL
        SELECT 4, format('COMMENT ON SCHEMA %I IS %L', :new, obj_description(oid, 'pg_namespace'))
          FROM pg_namespace
         WHERE nspname = :used AND obj_description(oid, 'pg_namespace') IS NOT NULL
    ) AS each (step, statement)
    ORDER BY step, statement
    """
)


def become_owner(connection: sa.Connection) -> None:
    """Act as the owner of the schema in use, so that new objects belong to the same role.

    Raises:
        sqlalchemy.exc.ProgrammingError: the user is not a member of that role.
    """
    run_found(connection, _BECOME_OWNER, schema=SCHEMA)


def copy_rights(connection: sa.Connection) -> None:
    """Copy owners and rights of tables, views and columns, and those of the schema."""
    for statements in (_OWNERS, _RIGHTS, _SCHEMA):
        run_found(connection, statements, used=SCHEMA, new=NEW)

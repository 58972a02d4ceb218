"""Compares the schemas of the databases with the migrations of this version.

The revisions are read from the sources of the migrations. Alembic, which runs them, takes time and
memory to import, and every front end and worker compares the schemas at its start.
"""

import ast
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final, get_args

import sqlalchemy as sa
import structlog

from pipeline.catalog.musicbrainz.tables import SCHEMA as MUSICBRAINZ_SCHEMA
from pipeline.runtime.databases import DATABASE_UNUSABLE, DatabaseName, Databases
from pipeline.settings.sections import Settings

MIGRATIONS: Final = Path(__file__).with_name("migrations")
_PARSING: Final = Lock()

logger = structlog.get_logger("acoustid.schema")


class SchemaVersion(Enum):
    """The schema of a database, compared with the migrations of this version."""

    CURRENT = "current"
    OLDER = "older"
    """A migration is missing, or the database has no tables."""
    NEWER = "newer"
    """The revision is not one of the migrations of this version."""

    def problem(self, name: str) -> str | None:
        """Return what is wrong with the schema of a database, and what to do; None if current."""
        if self is SchemaVersion.OLDER:
            return f"the database {name} is not migrated to this version: run `acoustid migrate`"
        if self is SchemaVersion.NEWER:
            return (
                f"the database {name} was made by a newer version: install that version, or "
                "restore the backup (docs/runbook.md#upgrade)"
            )
        return None


class NewerSchemaError(Exception):
    """A database was made by a newer version. The message has the action."""


def version_table(name: str) -> str:
    """Return the name of Alembic's version table for one logical database.

    The tables have different names, so that one PostgreSQL database may contain several logical
    databases.
    """
    return f"alembic_version_{name}"


def schema_version(connection: sa.Connection, name: str) -> SchemaVersion:
    """Compare the revision of a database with the migrations of this version.

    A mirror of MusicBrainz, and a version table that the user may not read, count as current.

    Args:
        connection: a connection to the database. This function runs two statements.
        name: the name of the logical database.

    Raises:
        sqlalchemy.exc.DBAPIError: the database cannot be read.
    """
    table = version_table(name)
    readable = connection.scalar(
        sa.select(sa.func.has_table_privilege(sa.func.to_regclass(table), "SELECT"))
    )
    if readable is None:
        return SchemaVersion.CURRENT if is_mirror(connection, name) else SchemaVersion.OLDER
    if not readable:
        return SchemaVersion.CURRENT
    revision = connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(table)))
    older, newest = revisions(name)
    if revision == newest:
        return SchemaVersion.CURRENT
    return SchemaVersion.OLDER if revision in {None, *older} else SchemaVersion.NEWER


def is_mirror(connection: sa.Connection, name: str) -> bool:
    """Return whether a database is a MusicBrainz database that the migrations did not create."""
    if name != "musicbrainz":
        return False
    inspector = sa.inspect(connection)
    has_tables = inspector.has_table("recording", schema=MUSICBRAINZ_SCHEMA)
    return has_tables and not inspector.has_table(version_table(name))


def schema_problems(databases: Databases) -> Iterator[str]:
    """Yield what is wrong with the schemas of the databases.

    An unreachable database ends the check: each further one may cost the timeout of a connection.
    """
    names: tuple[DatabaseName, ...] = get_args(DatabaseName)
    for name in names:
        try:
            with databases.engine(name).connect() as connection:
                problem = schema_version(connection, name).problem(name)
        except DATABASE_UNUSABLE:
            return
        if problem:
            yield problem


def log_schemas(settings: Settings) -> None:
    """Log each database whose schema does not fit to this version; called at a start."""
    databases = Databases(settings, component="schema")
    try:
        for problem in schema_problems(databases):
            logger.error("a database has another version", reason=problem)
    finally:
        databases.dispose()


@cache
def revisions(name: str) -> tuple[frozenset[str], str]:
    """Return the older revisions of a database, and the newest one."""
    # Some versions of Python 3.11 raise SystemError if two threads use the parser at the same time.
    with _PARSING:
        found = [_constants(path.read_text("utf-8")) for path in (MIGRATIONS / name).glob("*.py")]
    every = {str(each["revision"]) for each in found}
    older = {str(each["down_revision"]) for each in found if each["down_revision"]}
    [newest] = every - older
    return frozenset(older), newest


def _constants(source: str) -> dict[str, object]:
    """Return the constants of a module: names and values of its assignments of literals."""
    return {
        target.id: statement.value.value
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }

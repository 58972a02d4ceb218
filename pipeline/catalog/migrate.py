"""Creates missing databases and runs the migrations of all four (`acoustid migrate`)."""

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pipeline.catalog.advisory_locks import lock_migrations
from pipeline.catalog.app import tables as app_tables
from pipeline.catalog.fingerprint import tables as fingerprint_tables
from pipeline.catalog.ingest import tables as ingest_tables
from pipeline.catalog.musicbrainz import tables as musicbrainz_tables
from pipeline.catalog.schema_version import (
    MIGRATIONS,
    NewerSchemaError,
    SchemaVersion,
    is_mirror,
    schema_version,
    version_table,
)
from pipeline.runtime.databases import connect_arguments
from pipeline.settings.sections import DatabaseSettings, Settings

METADATA: Final[Mapping[str, sa.MetaData]] = MappingProxyType(
    {
        "app": app_tables.METADATA,
        "fingerprint": fingerprint_tables.METADATA,
        "ingest": ingest_tables.METADATA,
        "musicbrainz": musicbrainz_tables.METADATA,
    }
)


def database_settings(settings: Settings) -> dict[str, DatabaseSettings]:
    """Return the settings of each logical database by its name."""
    return {
        "app": settings.database,
        "fingerprint": settings.database_fingerprint,
        "ingest": settings.database_ingest,
        "musicbrainz": settings.database_musicbrainz,
    }


def alembic_config(name: str, connection: sa.Connection) -> Config:
    """Return Alembic's configuration for one logical database on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(MIGRATIONS / name).replace("%", "%%"))
    config.attributes.update(
        connection=connection, metadata=METADATA[name], version_table=version_table(name)
    )
    return config


def create_missing(settings: Settings) -> None:
    """Create those of the four databases that do not exist.

    Raises:
        sqlalchemy.exc.OperationalError: a server is unreachable or refuses the user.
        sqlalchemy.exc.ProgrammingError: the user may not create databases.
    """
    for database in database_settings(settings).values():
        if not _exists(database):
            _create(database)


def upgrade_all(settings: Settings) -> None:
    """Run the missing migrations of all databases.

    A MusicBrainz database that these migrations did not create is a mirror. It is not changed.

    Raises:
        NewerSchemaError: a newer version made a database. None is changed.
    """
    for name, database in database_settings(settings).items():
        with _engine(database.url()).connect() as connection:
            _refuse_newer(connection, name)
    for name, database in database_settings(settings).items():
        with _engine(database.url()).connect() as connection:
            if is_mirror(connection, name):
                continue
            lock_migrations(connection)  # two hosts may start at the same time
            connection.commit()
            command.upgrade(alembic_config(name, connection), "head")
            connection.commit()


def _refuse_newer(connection: sa.Connection, name: str) -> None:
    version = schema_version(connection, name)
    if version is SchemaVersion.NEWER:
        raise NewerSchemaError(version.problem(name))


def _exists(database: DatabaseSettings) -> bool:
    """Return whether a database exists.

    A connection to a missing database would add an error to the log of the server.
    """
    try:
        return _is_listed(database)
    except sa.exc.OperationalError:
        # The user may have access to its own databases only.
        with suppress(sa.exc.OperationalError):
            _engine(database.url()).connect().close()
            return True
        raise


def _is_listed(database: DatabaseSettings) -> bool:
    with _server(database).connect() as connection:
        named = sa.text("SELECT 1 FROM pg_database WHERE datname = :name")
        return connection.execute(named, {"name": database.name}).first() is not None


def _create(database: DatabaseSettings) -> None:
    engine = _server(database)
    quoted = engine.dialect.identifier_preparer.quote(database.name)
    try:
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {quoted} ENCODING 'UTF8'"))
    except sa.exc.DBAPIError:
        # Another process creates it at the same time, such as one whose client was killed.
        if not _is_listed(database):
            raise


def _server(database: DatabaseSettings) -> sa.Engine:
    """Return an engine on the database ``postgres``, which every server has."""
    return _engine(database.url().set(database="postgres"), isolation_level="AUTOCOMMIT")


def _engine(url: sa.URL, **options: Any) -> sa.Engine:  # noqa: ANN401 - those of SQLAlchemy
    arguments = connect_arguments("acoustid-migrate")
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments, **options)

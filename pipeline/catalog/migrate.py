"""Brings the four databases to the newest revision, creating those that are missing."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pipeline.catalog import app_tables, fingerprint_tables, ingest_tables, musicbrainz_tables
from pipeline.runtime.settings import DatabaseSettings, Settings

METADATA: Final[Mapping[str, sa.MetaData]] = MappingProxyType(
    {
        "app": app_tables.METADATA,
        "fingerprint": fingerprint_tables.METADATA,
        "ingest": ingest_tables.METADATA,
        "musicbrainz": musicbrainz_tables.METADATA,
    }
)
MIGRATIONS: Final = Path(__file__).with_name("migrations")

# Two upgrades at once (two hosts that start together) take turns on this advisory lock.
_UPGRADE_LOCK: Final = 7723016524936704010


def database_settings(settings: Settings) -> dict[str, DatabaseSettings]:
    """Return the settings of each logical database by its name."""
    return {
        "app": settings.database,
        "fingerprint": settings.database_fingerprint,
        "ingest": settings.database_ingest,
        "musicbrainz": settings.database_musicbrainz,
    }


def alembic_config(name: str, connection: sa.Connection) -> Config:
    """Return Alembic's configuration for one logical database on an open connection.

    Each database has a version table of its own, so that several may share one server database.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(MIGRATIONS / name).replace("%", "%%"))
    config.attributes.update(
        connection=connection, metadata=METADATA[name], version_table=f"alembic_version_{name}"
    )
    return config


def create_missing(settings: Settings) -> None:
    """Create those of the four databases that their servers don't have yet.

    Raises:
        sqlalchemy.exc.ProgrammingError: the user may not create databases.
    """
    for database in database_settings(settings).values():
        engine = sa.create_engine(
            database.url().set(database="postgres"),
            isolation_level="AUTOCOMMIT",
            poolclass=sa.NullPool,
        )
        with engine.connect() as connection:
            known = connection.execute(
                sa.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": database.name}
            )
            if known.first() is None:
                quoted = engine.dialect.identifier_preparer.quote(database.name)
                connection.execute(sa.text(f"CREATE DATABASE {quoted} ENCODING 'UTF8'"))


def upgrade_all(settings: Settings) -> None:
    """Run the missing migrations of every database; do nothing where there are none."""
    for name, database in database_settings(settings).items():
        engine = sa.create_engine(database.url(), poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT pg_advisory_lock(:lock)"), {"lock": _UPGRADE_LOCK})
            connection.commit()
            command.upgrade(alembic_config(name, connection), "head")
            connection.commit()

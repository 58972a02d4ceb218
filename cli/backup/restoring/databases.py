"""Restores the dumps of a backup into empty databases."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from tqdm import tqdm

from cli.backup.manifest import BackupManifest, DatabaseDump
from cli.backup.opened import OpenedBackup
from cli.backup.restoring.pg_restore import APPLICATION, Dump
from cli.error_messages import explain_database
from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.recovery.unfinished_restore import UnfinishedRestore
from pipeline.catalog.migrate import create_missing, database_settings
from pipeline.catalog.schema_version import revisions
from pipeline.runtime.databases import connect_arguments
from pipeline.settings.sections import DatabaseSettings, Settings

_USED: Final = """
    SELECT n.nspname || '.' || c.relname
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
    ORDER BY 1 LIMIT 1
"""
"""Selects a table or another relation of a database that its user has made."""


def require_known_schemas(manifest: BackupManifest) -> None:
    """Check that this version can migrate the databases of a backup.

    Raises:
        StackError: a newer version made one.
    """
    for dump in manifest.dumps:
        for name, revision in dump.revisions.items():
            older, newest = revisions(name)
            if revision and revision != newest and revision not in older:
                raise StackError(
                    f"the database {name} of the backup was made by a newer version "
                    f"(acoustid {manifest.acoustid_version}, schema {revision}): install that "
                    "version"
                )


@dataclass(frozen=True, slots=True)
class Restorer:
    """Restores dumps, and notes in the data directory which are complete.

    Attributes:
        data: the data directory.
        settings: the addresses of the databases.
        backup: the backup.
        jobs: number of connections that build indexes.
    """

    data: DataDir
    settings: Settings
    backup: OpenedBackup
    jobs: int

    def restore(self, unfinished: UnfinishedRestore, dumps: Mapping[str, Dump]) -> None:
        """Restore all databases that are not complete yet.

        A database that was begun before is created anew.

        Args:
            unfinished: this restore.
            dumps: the dumps by their member.

        Raises:
            StackError: a database is not empty or unreachable, or a statement failed.
            BackupDamagedError, OSError: the backup cannot be read.
        """
        manifest = self.backup.manifest
        targets = {dump.file: self._target(dump) for dump in manifest.dumps}
        with _explained():
            create_missing(self.settings)
        for dump in manifest.dumps:
            if dump.file in unfinished.databases:
                continue
            with _explained(targets[dump.file].name):
                if dump.file == unfinished.begun:
                    _create_anew(targets[dump.file])
                _require_usable(targets[dump.file], dump)
        for dump in manifest.dumps:
            if dump.file in unfinished.databases:
                continue
            unfinished = unfinished.beginning(dump.file)
            unfinished.save(self.data)
            self._fill(targets[dump.file], dumps[dump.file])
            unfinished = unfinished.with_database(dump.file)
            unfinished.save(self.data)

    def _fill(self, database: DatabaseSettings, dump: Dump) -> None:
        size = self.backup.manifest.files[dump.file].size
        with tqdm(
            total=size,
            desc=database.name,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            disable=None,
        ) as bar:
            dump.restore_rows(database, bar.update)
            bar.set_postfix_str("building indexes")
            dump.restore_indexes(database, self.jobs)
        with _explained(database.name), _connected(database) as connection:
            connection.execute(sa.text("ANALYZE"))

    def _target(self, dump: DatabaseDump) -> DatabaseSettings:
        """Return the database for a dump.

        Raises:
            StackError: the settings give its logical databases different ones.
        """
        found = database_settings(self.settings)
        first, *others = (found[name] for name in dump.names)
        if any(_place(each) != _place(first) for each in others):
            raise StackError(
                f"{dump.file} has the databases {' and '.join(dump.names)} in one: give them one "
                "database in the configuration, see --config"
            )
        return first


def _place(database: DatabaseSettings) -> tuple[str, int, str]:
    return database.host, database.port, database.name


def _require_usable(database: DatabaseSettings, dump: DatabaseDump) -> None:
    """Check that a database is empty and its server not older than that of the backup."""
    with _connected(database) as connection:
        found = connection.scalar(sa.text(_USED))
        version = int(connection.scalar(sa.text("SHOW server_version_num")) or 0)
    if found:
        raise StackError(
            f"the database {database.name} on {database.host}:{database.port} is not empty (it has "
            f"{found}): name an empty database, or drop this one"
        )
    if version // 10000 < dump.server_version // 10000:
        raise StackError(
            f"{database.host}:{database.port} is PostgreSQL {version // 10000}, and the backup is "
            f"of PostgreSQL {dump.server_version // 10000}: use that version or a newer one"
        )


def _create_anew(database: DatabaseSettings) -> None:
    """Replace a database that an interrupted restore has begun by an empty one."""
    server = database.model_copy(update={"name": "postgres"})
    with _connected(server) as connection:
        quoted = connection.dialect.identifier_preparer.quote(database.name)
        try:
            connection.execute(sa.text(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)"))
            connection.execute(sa.text(f"CREATE DATABASE {quoted} ENCODING 'UTF8'"))
        except sa.exc.ProgrammingError as error:
            raise StackError(
                f"the database {database.name}, which an interrupted restore has begun, cannot be "
                f"created anew ({explain_database(error)}): drop it, create it empty, and run the "
                "command again"
            ) from error


@contextmanager
def _connected(database: DatabaseSettings) -> Iterator[sa.Connection]:
    """Open a connection on which each statement is a transaction."""
    engine = sa.create_engine(
        database.url(),
        poolclass=sa.NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args=connect_arguments(APPLICATION),
    )
    with engine.connect() as connection:
        yield connection


@contextmanager
def _explained(database: str = "") -> Iterator[None]:
    """Convert errors of PostgreSQL.

    Raises:
        StackError: PostgreSQL is unreachable, or refuses a statement.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        noun = f"the database {database}" if database else "a database"
        raise StackError(f"{noun} cannot be restored: {explain_database(error)}") from error

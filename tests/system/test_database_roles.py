"""The roles of `deploy/postgres/roles.sql`: one migrates, the other one only changes rows."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api.health.probes import write_database
from cli.stack.processes.stopping import stop_process
from cli.stack.servers.binaries import find_postgres
from cli.stack.servers.embedded_server import start_server
from cli.stack.servers.ports import LOOPBACK
from cli.stack.servers.postgres import SUPERUSER
from pipeline.catalog import migrate
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.catalog.schema_version import SchemaVersion
from pipeline.runtime.databases import DatabaseName, Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.musicbrainz_archives import load, write_archive
from tests.support.catalogue.synthetic import fingerprint
from tests.support.processes.servers import make_postgres, temporary_folder

ROLES = Path(__file__).parents[2] / "deploy" / "postgres" / "roles.sql"
OWNER, SERVICE = "acoustid_owner", "acoustid_service"
SECRETS = {"database_owner_password": "owner's secret", "database_password": 'service "secret"'}
NAMES: tuple[DatabaseName, ...] = ("app", "fingerprint", "ingest", "musicbrainz")
REFUSED = [
    "CREATE TABLE intruder (id int)",
    "CREATE TEMPORARY TABLE intruder (id int)",
    "CREATE SCHEMA intruder",
    "CREATE ROLE intruder",
    "CREATE DATABASE intruder",
    "ALTER ROLE acoustid_service SUPERUSER",
    "SET ROLE acoustid_owner",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT rolpassword FROM pg_authid",
]


@dataclass(frozen=True)
class Server:
    """A PostgreSQL with the roles.

    Attributes:
        port: its port.
        folder: the directory with the passwords.
    """

    port: int
    folder: Path

    def settings(self, user: str) -> Settings:
        """Return the settings of a role, with the default names of the databases."""
        file = "database_owner_password" if user == OWNER else "database_password"
        login = {"host": LOOPBACK, "port": self.port, "user": user, "password": SECRETS[file]}
        sections: dict[str, Any] = {}
        for name in NAMES:
            section = "database" if name == "app" else f"database_{name}"
            sections[section] = sections[f"{section}_ro"] = login
        return Settings.model_validate(sections)

    def create_roles(self) -> None:
        """Run the script as the superuser."""
        self.psql("postgres", "-v", f"secrets={self.folder}", "-f", str(ROLES))

    def psql(self, database: str, *arguments: str) -> None:
        """Run psql as the superuser."""
        address = ["-h", LOOPBACK, "-p", str(self.port), "-U", SUPERUSER, "-d", database]
        subprocess.run(
            [find_postgres() / "psql", "-X", "-q", *address, *arguments],
            check=True,
            env={"PATH": os.environ["PATH"]},
            timeout=60,
        )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL whose superuser needs no password, as on the Unix socket of the image."""
    with temporary_folder() as folder:
        for name, text in SECRETS.items():
            (folder / name).write_text(f"{text}\n")
        postgres = make_postgres(folder)
        process = None
        try:
            postgres.prepare()
            rules = postgres.directory.data / "pg_hba.conf"
            rules.write_text(f"host all {SUPERUSER} {LOOPBACK}/32 trust\n{rules.read_text()}")
            process = start_server(postgres)
            started = Server(postgres.port, folder)
            started.create_roles()
            yield started
        finally:
            if process:
                stop_process(process, postgres.escalation)


@pytest.fixture(scope="module")
def migrated(server: Server) -> Server:
    """The server, migrated by the owner."""
    owner = server.settings(OWNER)
    migrate.create_missing(owner)
    migrate.upgrade_all(owner)
    server.create_roles()  # it may be run again
    return server


@pytest.fixture
def service(migrated: Server) -> Iterator[Databases]:
    """The databases as the role of the service."""
    databases = Databases(migrated.settings(SERVICE), component="tests")
    yield databases
    databases.dispose()


def test_the_service_imports_and_merges(service: Databases, tmp_path: Path) -> None:
    importer = Importer(service, tmp_path / "index")
    [first] = importer.run(importer.receipt(fingerprint(1)))
    [second] = importer.run(importer.receipt(fingerprint(2)))
    assert first.state == second.state == "imported"
    assert first.track_gid
    assert second.track_gid
    merge_tracks(service, first.track_gid, [second.track_gid])
    assert importer.tracks() >= 1


@pytest.mark.parametrize("name", NAMES[:3])
def test_the_health_check_can_write(service: Databases, name: DatabaseName) -> None:
    assert write_database(service, name, deadline=5) is SchemaVersion.CURRENT


@pytest.mark.parametrize("name", NAMES)
def test_the_service_has_rights_to_all_rows(service: Databases, name: DatabaseName) -> None:
    tables = [each.fullname for each in migrate.METADATA[name].sorted_tables]
    rights = ["SELECT"] if name == "musicbrainz" else ["SELECT", "INSERT", "UPDATE", "DELETE"]
    checked = sa.text("SELECT has_table_privilege(:table, :right)")
    with service.engine(name).connect() as connection:
        lacking = [
            (table, right)
            for table in tables
            for right in rights
            if not connection.scalar(checked, {"table": table, "right": right})
        ]
        owned = connection.scalar(
            sa.text("SELECT count(*) FROM pg_class WHERE pg_has_role(relowner, 'MEMBER')")
        )
    assert tables
    assert not lacking
    assert owned == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("statement", [*REFUSED, "DROP TABLE {table}", "TRUNCATE {table}"])
def test_the_service_can_create_nothing(
    service: Databases, name: DatabaseName, statement: str
) -> None:
    table = migrate.METADATA[name].sorted_tables[0].fullname
    engine = service.engine(name).execution_options(isolation_level="AUTOCOMMIT")
    with (
        engine.connect() as connection,
        pytest.raises(sa.exc.ProgrammingError, match=r"permission denied|must be owner"),
    ):
        connection.execute(sa.text(statement.format(table=table)))


def test_the_service_cannot_change_musicbrainz(service: Databases) -> None:
    statement = sa.text("UPDATE musicbrainz.recording SET name = name")
    with (
        service.engine("musicbrainz").connect() as connection,
        pytest.raises(sa.exc.ProgrammingError, match="permission denied"),
    ):
        connection.execute(statement)


@pytest.mark.parametrize("role", [OWNER, SUPERUSER])
def test_a_loaded_dump_has_the_owner_and_the_rights_of_the_old_tables(
    migrated: Server, service: Databases, role: str, tmp_path: Path
) -> None:
    databases = Databases(migrated.settings(role), component="tests")
    try:
        load(databases.engine("musicbrainz"), write_archive(tmp_path / "mbdump.tar.bz2"))
    finally:
        databases.dispose()
    owners = sa.text(
        "SELECT DISTINCT relowner::regrole::text FROM pg_class"
        " WHERE relnamespace = 'musicbrainz'::regnamespace"
        " UNION SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'musicbrainz'"
    )
    with service.engine("musicbrainz").connect() as connection:
        assert connection.scalars(owners).all() == [OWNER]
        assert connection.scalar(sa.text("SELECT count(*) FROM musicbrainz.recording")) == 60
    test_the_service_has_rights_to_all_rows(service, "musicbrainz")
    test_the_service_cannot_change_musicbrainz(service)


def test_the_service_can_use_the_tables_of_later_migrations(
    migrated: Server, service: Databases
) -> None:
    owner = Databases(migrated.settings(OWNER), component="tests")
    try:
        with owner.engine("app").begin() as connection:
            connection.execute(sa.text("CREATE TABLE later (id serial PRIMARY KEY, name text)"))
        with service.engine("app").begin() as connection:
            connection.execute(sa.text("INSERT INTO later (name) VALUES ('new')"))
            assert connection.scalar(sa.text("SELECT id FROM later")) == 1
    finally:
        with suppress(sa.exc.SQLAlchemyError), owner.engine("app").begin() as connection:
            connection.execute(sa.text("DROP TABLE later"))
        owner.dispose()


def test_tables_of_an_earlier_version_get_the_owner(migrated: Server, service: Databases) -> None:
    table = "CREATE TABLE earlier (id serial PRIMARY KEY, name text)"
    function = "CREATE FUNCTION earlier_one() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    migrated.psql("acoustid_app", "-c", table, "-c", function)
    try:
        migrated.create_roles()
        with service.engine("app").begin() as connection:
            connection.execute(sa.text("INSERT INTO earlier (name) VALUES ('row')"))
            owners = connection.scalars(
                sa.text(
                    "SELECT relowner::regrole::text FROM pg_class WHERE relname ~ '^earlier' "
                    "UNION SELECT proowner::regrole::text FROM pg_proc WHERE proname ~ '^earlier'"
                )
            )
            assert list(owners) == [OWNER]
    finally:
        migrated.psql("acoustid_app", "-c", "DROP TABLE earlier; DROP FUNCTION earlier_one()")


@pytest.mark.parametrize("role", [OWNER, SERVICE])
def test_no_role_is_privileged(service: Databases, role: str) -> None:
    flags = sa.text(
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls "
        "FROM pg_roles WHERE rolname = :role"
    )
    with service.engine("app").connect() as connection:
        assert connection.scalar(flags, {"role": role}) is False

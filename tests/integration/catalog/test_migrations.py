"""Migrations create the declared tables and can be undone; a mirror stays unchanged."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from structlog.testing import capture_logs

from pipeline.catalog import migrate
from pipeline.catalog.schema_version import (
    NewerSchemaError,
    SchemaVersion,
    log_schemas,
    schema_version,
)
from pipeline.settings.sections import Settings
from tests.support.catalogue.revisions import at_revision
from tests.support.processes.servers import Servers

DATABASES = sorted(migrate.METADATA)


@pytest.fixture(scope="module")
def fresh(servers: Servers) -> Settings:
    """Settings of four new, migrated databases for this module."""
    settings = servers.settings("_migrations")
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)
    return settings


def test_the_creation_of_databases_leaves_no_error_in_the_log(servers: Servers) -> None:
    """`acoustid logs` after a first start shows no error."""
    settings = servers.settings("_logged")
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)
    log = servers.postgres.log.read_text()
    assert [line for line in log.splitlines() if "FATAL" in line and "_logged" in line] == []


@pytest.fixture
def connection(fresh: Settings, name: str) -> Iterator[sa.Connection]:
    url = migrate.database_settings(fresh)[name].url()
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        yield connection


def differences(connection: sa.Connection, name: str) -> list[object]:
    options = {"version_table": f"alembic_version_{name}", "include_schemas": True}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, migrate.METADATA[name]))


@pytest.mark.parametrize("name", DATABASES)
def test_migrations_make_the_tables(connection: sa.Connection, name: str) -> None:
    assert differences(connection, name) == []


@pytest.mark.parametrize("name", DATABASES)
def test_migrations_can_be_undone_and_done_again(
    connection: sa.Connection, name: str, fresh: Settings
) -> None:
    command.downgrade(migrate.alembic_config(name, connection), "base")
    connection.commit()
    schema = "musicbrainz" if name == "musicbrainz" else "public"
    left = set(sa.inspect(connection).get_table_names(schema)) - {f"alembic_version_{name}"}
    assert left == set()
    migrate.upgrade_all(fresh)
    assert differences(connection, name) == []


@pytest.mark.parametrize("name", DATABASES)
def test_a_second_run_changes_nothing(
    connection: sa.Connection, name: str, fresh: Settings
) -> None:
    """The row with the version is not written again, and the tables stay as they are."""
    version = sa.text(f"SELECT xmin::text, version_num FROM alembic_version_{name}")  # noqa: S608
    before = connection.execute(version).all()
    connection.rollback()
    migrate.create_missing(fresh)
    migrate.upgrade_all(fresh)
    assert connection.execute(version).all() == before
    assert differences(connection, name) == []


@pytest.mark.parametrize("name", ["fingerprint"])
def test_changelog_ids_are_in_commit_order(connection: sa.Connection) -> None:
    """A second insertion waits for the commit of the first one."""
    other = connection.engine.connect()
    insert = sa.text(
        "WITH t AS (INSERT INTO track (gid) VALUES (gen_random_uuid()) RETURNING id) "
        "INSERT INTO fingerprint (words, gid, simhash, length, track_id, submission_count) "
        "SELECT '', gen_random_uuid(), 0, 1, id, 1 FROM t"
    )
    connection.execute(insert)
    other.execute(sa.text("SET LOCAL statement_timeout = '300ms'"))
    with pytest.raises(sa.exc.OperationalError, match="statement timeout"):
        other.execute(insert)
    other.rollback()
    connection.commit()
    other.execute(insert)
    other.commit()
    logged = connection.execute(sa.text("SELECT id FROM fpindex_changelog ORDER BY id")).all()
    assert len(logged) == 2
    connection.execute(sa.text("DELETE FROM fingerprint"))
    connection.commit()
    deleted = sa.text("SELECT count(*) FROM fpindex_changelog WHERE deleted")
    assert connection.execute(deleted).scalar_one() == 2
    other.close()


@pytest.mark.parametrize("name", DATABASES)
def test_the_schema_is_compared_with_the_migrations(
    connection: sa.Connection, name: str, fresh: Settings
) -> None:
    assert schema_version(connection, name) is SchemaVersion.CURRENT
    for revision, expected in ((None, "older"), (f"{name}_9999", "newer")):
        with at_revision(migrate.database_settings(fresh)[name], name, revision):
            assert schema_version(connection, name).value == expected
    connection.rollback()
    connection.execute(sa.text(f"ALTER TABLE alembic_version_{name} RENAME TO other"))
    expected = "current" if name == "musicbrainz" else "older"  # a mirror has tables only
    assert schema_version(connection, name).value == expected


@pytest.mark.parametrize("name", ["app"])
def test_an_earlier_revision_is_older(
    connection: sa.Connection, name: str, fresh: Settings
) -> None:
    with at_revision(fresh.database, name, "app_0004"):
        assert schema_version(connection, name) is SchemaVersion.OLDER


def test_databases_of_a_newer_version_are_not_migrated(fresh: Settings) -> None:
    with (
        at_revision(fresh.database_ingest, "ingest", "ingest_9999"),
        pytest.raises(NewerSchemaError, match="database ingest was made by a newer version"),
    ):
        migrate.upgrade_all(fresh)


def test_a_process_logs_each_database_of_another_version(fresh: Settings) -> None:
    with (
        at_revision(fresh.database, "app", None),
        at_revision(fresh.database_ingest, "ingest", "ingest_9999"),
        capture_logs() as records,
    ):
        log_schemas(fresh)
    older, newer = (record["reason"] for record in records)
    assert older == "the database app is not migrated to this version: run `acoustid migrate`"
    assert newer.startswith("the database ingest was made by a newer version: install")
    with capture_logs() as records:
        log_schemas(fresh)
    assert records == []


def test_a_musicbrainz_mirror_is_not_migrated(servers: Servers) -> None:
    settings = servers.settings("_mirror")
    migrate.create_missing(settings)
    engine = sa.create_engine(settings.database_musicbrainz.url(), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA musicbrainz"))
        connection.execute(sa.text("CREATE TABLE musicbrainz.recording (id int, extra int)"))
    migrate.upgrade_all(settings)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names("musicbrainz") == ["recording"]
        assert sa.inspect(connection).get_table_names() == []

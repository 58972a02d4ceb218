"""Migrations create the declared tables and can be undone; a mirror stays unchanged."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pipeline.catalog import migrate
from pipeline.settings.sections import Settings
from tests.support.processes.servers import Servers

DATABASES = sorted(migrate.METADATA)


@pytest.fixture(scope="module")
def fresh(servers: Servers) -> Settings:
    """Settings of four new, migrated databases for this module."""
    settings = servers.settings("_migrations")
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)
    return settings


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

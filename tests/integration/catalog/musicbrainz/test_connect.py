"""`acoustid musicbrainz connect` on a real database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from cli.commands.musicbrainz.connect import connect
from cli.sample.recordings import sample_recordings
from cli.stack.data_directory import CONFIG_VARIABLE
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.dump.schemas import run
from pipeline.catalog.musicbrainz.mirror.check import MirrorReport, check_mirror
from pipeline.catalog.musicbrainz.mirror.indexes import NEEDED
from pipeline.catalog.musicbrainz.mirror.reads import columns_read
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.musicbrainz_archives import content, load, rows, write_archive
from tests.support.processes.workers import write_config


@pytest.fixture
def mirror(own: Settings, tmp_path: Path) -> Iterator[sa.Connection]:
    """A transaction in which the database looks like a mirror; it is rolled back."""
    databases = Databases(own)
    engine = databases.engine("musicbrainz")
    if rows(engine, mb.recording) != len(sample_recordings()):  # no test of a mirror changes it
        load(engine, write_archive(tmp_path / "mbdump.tar.bz2"))
    with engine.connect() as connection:
        run(connection, "ALTER TABLE alembic_version_musicbrainz RENAME TO hidden")
        yield connection
        connection.rollback()
    databases.dispose()


@contextmanager
def changed(connection: sa.Connection, statement: str) -> Iterator[MirrorReport]:
    """Give the report after a change."""
    with connection.begin_nested() as nested:
        run(connection, statement)
        yield check_mirror(connection)
        nested.rollback()


def test_a_whole_mirror_lacks_only_new_content(mirror: sa.Connection) -> None:
    report = check_mirror(mirror)
    assert (report.is_usable, report.indexes) == (True, [])
    assert report.facts["database"] == "a mirror of MusicBrainz"
    assert report.facts["schema sequence"] == "31"
    assert report.facts["content"] == "packet 190123 of 2026-11-28 00:23 UTC"
    assert report.facts["sample lookup"].startswith("20 recordings in ")
    assert report.rows["recording"] == 60
    assert not [
        text for text in report.lacks if "days old" not in text and "has no rows" not in text
    ]


@pytest.mark.parametrize(
    ("statement", "defect"),
    [
        ("DROP TABLE musicbrainz.track", "the table musicbrainz.track is missing: lookups have no"),
        (
            "ALTER TABLE musicbrainz.artist RENAME COLUMN gid TO mbid",
            "the column gid of musicbrainz.artist is missing: lookups have no artists",
        ),
        (
            "ALTER TABLE musicbrainz.recording ALTER COLUMN gid TYPE text",
            "the column gid of musicbrainz.recording has the type text, not uuid",
        ),
        (
            "REVOKE ALL ON musicbrainz.medium FROM CURRENT_USER",
            "the user may not read musicbrainz.medium",
        ),
        ("TRUNCATE musicbrainz.recording", "musicbrainz.recording has no rows"),
        ("ALTER SCHEMA musicbrainz RENAME TO other", "the table musicbrainz.recording is missing"),
    ],
)
def test_a_defect_makes_it_unusable(mirror: sa.Connection, statement: str, defect: str) -> None:
    with changed(mirror, statement) as report:
        assert not report.is_usable
        assert [text for text in report.defects if text.startswith(defect)]


@pytest.mark.parametrize(
    ("statement", "lack"),
    [
        ("DROP TABLE musicbrainz.isrc", "musicbrainz.isrc is missing: lookups that ask for ISRCs"),
        ("TRUNCATE musicbrainz.isrc", "musicbrainz.isrc has no rows: lookups have no ISRCs"),
        ("REVOKE ALL ON musicbrainz.iso_3166_1 FROM CURRENT_USER", "may not read musicbrainz.iso"),
        (
            "DROP TABLE musicbrainz.recording_gid_redirect",
            "links to MBIDs that MusicBrainz merged or removed stay as they are",
        ),
        (
            "UPDATE musicbrainz.replication_control SET current_schema_sequence = 32",
            "its schema has version 32, and this service was made for version 31",
        ),
        (
            "UPDATE musicbrainz.replication_control SET last_replication_date = NULL",
            "the date of its last replication packet is unknown",
        ),
        ("TRUNCATE musicbrainz.replication_control", "replication_control has no rows"),
        (
            "UPDATE musicbrainz.replication_control SET last_replication_date = '2026-01-01'",
            "days old: newer recordings have no metadata",
        ),
    ],
)
def test_what_it_lacks_has_an_effect(mirror: sa.Connection, statement: str, lack: str) -> None:
    with changed(mirror, statement) as report:
        assert report.is_usable
        assert [text for text in report.lacks if lack in text]


@pytest.mark.parametrize(("hours", "age"), [("30", "30.0 hours"), ("80", "3 days")])
def test_an_age_is_in_hours_or_days(mirror: sa.Connection, hours: str, age: str) -> None:
    statement = (
        "UPDATE musicbrainz.replication_control "
        "SET last_replication_date = now() - interval 'HOURS hours'"
    ).replace("HOURS", hours)
    with changed(mirror, statement) as report:
        assert report.facts["age"] == age


def test_a_missing_index_is_named(mirror: sa.Connection) -> None:
    with changed(mirror, "DROP INDEX musicbrainz.ix_musicbrainz_track_recording") as report:
        assert report.is_usable
        assert report.indexes == ["CREATE INDEX CONCURRENTLY ON musicbrainz.track (recording);"]


def test_each_needed_index_is_on_a_column_that_is_read() -> None:
    read = {(column.table.name, column.name) for column in columns_read()}
    assert set(NEEDED) <= read


def invoke(config: Path | None, *arguments: str, **environ: str) -> Result:
    named = {CONFIG_VARIABLE: str(config)} if config else {}
    return CliRunner().invoke(connect, arguments, env=named | environ)


def test_the_command_only_reads(
    own: Settings, engine: sa.Engine, archive: Path, tmp_path: Path
) -> None:
    load(engine, archive)
    before = content(engine)
    config = write_config(own, tmp_path / "acoustid.conf")
    found = invoke(config)
    assert found.exit_code == 0
    database = own.database_musicbrainz
    assert f"lookups can use {database.host}:{database.port}/{database.name}" in found.output
    assert "sample lookup: 20 recordings in" in found.output
    assert content(engine) == before
    with engine.begin() as connection:
        run(connection, "TRUNCATE musicbrainz.recording")
    found = invoke(config)
    assert found.exit_code == 1
    assert "not usable: musicbrainz.recording has no rows" in found.output


def test_another_address_is_checked_before_it_is_configured(
    own: Settings, engine: sa.Engine, archive: Path, tmp_path: Path
) -> None:
    """The password is that of the variable, and it is not printed."""
    load(engine, archive)
    database = own.database_musicbrainz
    elsewhere = own.model_copy(
        update={
            name: database.model_copy(update={"host": "192.0.2.1"})
            for name in ("database_musicbrainz", "database_musicbrainz_ro")
        }
    )
    config = write_config(elsewhere, tmp_path / "acoustid.conf")
    address = ("--host", database.host, "--port", str(database.port), "--name", database.name)
    password = database.password.get_secret_value()
    found = invoke(config, *address, PGPASSWORD=password)
    assert found.exit_code == 0
    section = found.output.partition("[database_musicbrainz]\n")[2]
    assert f"name = {database.name}\n" in section
    assert f"host = {database.host}\n" in section
    assert password not in found.output
    found = invoke(config, *address, PGPASSWORD="", ACOUSTID_DATABASE_MUSICBRAINZ_PASSWORD="")
    assert found.exit_code == 1
    assert "cannot be read: PostgreSQL:" in found.output
    found = invoke(config, "--port", "99999")
    assert found.exit_code == 2
    assert "--port" in found.output

"""Backups while a dump of MusicBrainz is loaded beside the tables in use."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from cli.backup.dump import dump
from cli.backup.opened import open_backup
from cli.backup.programs import find_program
from cli.backup.snapshots import find_sources, open_snapshots
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.dump.schemas import NEW, OLD
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.musicbrainz_archives import load, write_archive
from tests.support.clients.admin_commands import Run
from tests.support.polling import eventually


@pytest.fixture
def engine(databases: Databases) -> Iterator[sa.Engine]:
    """The engine of the MusicBrainz database, which has one recording."""
    engine = databases.engine("musicbrainz")
    with engine.begin() as connection:
        row = {"id": 999, "gid": uuid4(), "name": "Old", "artist_credit": 1}
        connection.execute(sa.insert(mb.recording).values(row))
    yield engine
    with engine.begin() as connection:
        for schema in (NEW, OLD):
            connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
        connection.execute(sa.text(f"TRUNCATE {', '.join(mb.METADATA.tables)}"))


def read(path: Path, version: int, *arguments: str) -> str:
    """Return what `pg_restore` of a version reads from a dump."""
    command = [find_program("pg_restore", version).path, *arguments, "--file=-", path]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def is_waiting(engine: sa.Engine) -> bool:
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
    with engine.connect() as connection:
        return bool(connection.scalar(waiting))


def names(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(mb.recording.c.name)))


def test_a_load_switches_after_the_dump_of_the_tables_in_use(
    settings: Settings, databases: Databases, engine: sa.Engine, tmp_path: Path
) -> None:
    """Otherwise the dump reads the new tables, which are empty in its snapshot."""
    archive = write_archive(tmp_path / "mbdump.tar.bz2")
    thread = threading.Thread(target=load, args=(engine, archive))
    sources, _ = find_sources(settings, databases)
    path = tmp_path / "musicbrainz.dump"
    with open_snapshots(databases, sources) as snapshots:
        thread.start()
        try:
            eventually(lambda: is_waiting(engine))
            [snapshot] = [each for each in snapshots if "musicbrainz" in each.source.names]
            program = find_program("pg_dump", snapshot.source.server_major)
            with path.open("wb") as file:
                dump(program, snapshot, "tests", file.write)
            assert names(engine) == ["Old"]
        finally:
            for each in snapshots:
                each.end()
            thread.join(30)
    assert not thread.is_alive()
    assert len(names(engine)) > 1
    assert "\tOld\t" in read(path, program.version, "--data-only", "--table=recording")


def test_tables_of_a_load_are_neither_waited_for_nor_dumped(
    engine: sa.Engine, run_backup: Run, tmp_path: Path
) -> None:
    with engine.connect() as loading:
        for schema in (NEW, OLD):
            loading.execute(sa.text(f"CREATE SCHEMA {schema}"))
            loading.execute(sa.text(f"CREATE TABLE {schema}.recording (id int)"))
        loading.commit()
        loading.execute(sa.text(f"DROP SCHEMA {OLD} CASCADE"))
        loading.execute(sa.text(f"LOCK TABLE {NEW}.recording"))
        result = run_backup(tmp_path / "backups")
        assert result.exit_code == 0, result.stderr
    backup = open_backup(Path(result.stdout.strip()))
    dumped_by = backup.manifest.dumps[-1].dumped_by
    found = read(backup.path / "musicbrainz.dump", dumped_by)
    assert "\tOld\t" in found
    assert NEW not in found
    assert OLD not in found

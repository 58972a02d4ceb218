"""`acoustid restore` on servers of one's own: killed, and from an older version."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from click.testing import CliRunner, Result

from cli.commands.data.backup import backup as backup_command
from cli.commands.data.restore import restore
from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.recovery.unfinished_restore import read_unfinished, require_no_restore
from pipeline.catalog import migrate
from pipeline.catalog.fingerprint.tables import fingerprint, track
from pipeline.catalog.schema_version import SchemaVersion, schema_version
from pipeline.index import open_reader
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.backups import drop
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint as random_walk
from tests.support.clients.admin_commands import Run, command_runner
from tests.support.polling import eventually
from tests.support.processes.servers import Servers

OLDER = {"fingerprint": "fingerprint_0004", "ingest": "ingest_0005"}
"""Revisions before the last ones."""


@pytest.fixture
def backup(databases: Databases, index_path: Path, tmp_path: Path, run_backup: Run) -> Path:
    """A backup of two imported submissions and a pending one."""
    importer = Importer(databases, index_path)
    importer.run(*(importer.receipt(random_walk(seed), mbid=uuid4()) for seed in (1, 2)))
    importer.receive([importer.receipt(random_walk(3))])
    result = run_backup(tmp_path / "backups")
    assert result.exit_code == 0, result.stderr
    return Path(result.stdout.strip())


@pytest.fixture
def older(servers: Servers) -> Iterator[Settings]:
    """Settings of databases of an older version, with one fingerprint."""
    settings = servers.settings("_older")
    drop(settings)
    migrate.create_missing(settings)
    for name, database in migrate.database_settings(settings).items():
        engine = sa.create_engine(database.url(), poolclass=sa.NullPool)
        with engine.connect() as connection:
            config = migrate.alembic_config(name, connection)
            command.upgrade(config, OLDER.get(name, "head"))
            connection.commit()
            if name == "fingerprint":
                add_fingerprint(connection)
    yield settings
    drop(settings)


def add_fingerprint(connection: sa.Connection) -> None:
    made = sa.insert(track).values(gid=UUID(int=1)).returning(track.c.id)
    row = {"words": random_walk(1).tobytes(), "gid": UUID(int=2), "simhash": 1, "length": 200}
    row |= {"track_id": connection.execute(made).scalar_one(), "submission_count": 1}
    connection.execute(sa.insert(fingerprint).values(row))
    connection.commit()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(restore, [str(each) for each in arguments])


def rows(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of the four databases."""
    found = {}
    for name, database in migrate.database_settings(settings).items():
        engine = sa.create_engine(database.url(), poolclass=sa.NullPool)
        with engine.connect() as connection:
            for table in migrate.METADATA[name].sorted_tables:
                every = connection.execute(sa.select(table)).all()
                found[table.fullname] = sorted(map(tuple, every), key=repr)
    return found


def test_a_killed_restore_goes_on_with_an_equal_result(
    backup: Path, restore_config: Path, settings: Settings, restore_target: Settings, tmp_path: Path
) -> None:
    data = DataDir.at(tmp_path / "new")
    options = ("--data-dir", str(data.root), "--config", str(restore_config))
    command = (sys.executable, "-m", "cli.main", "restore", str(backup), *options)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: has_restored(data, "ingest.dump"))
    finally:
        process.kill()
        process.wait()
    with pytest.raises(StackError, match="was interrupted: run `acoustid restore"):
        require_no_restore(data)
    other = run(backup.parent, "--data-dir", data.root, "--config", restore_config)
    assert other.exit_code == 0, other.output
    assert "going on with an interrupted restore" in other.output
    assert rows(restore_target) == rows(settings)
    require_no_restore(data)


def has_restored(data: DataDir, dump: str) -> bool:
    found = read_unfinished(data)
    return found is not None and dump in found.databases


def test_a_backup_of_an_older_version_is_migrated(
    older: Settings,
    restore_config: Path,
    restore_target: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "old").mkdir()
    run_backup = command_runner(backup_command, older, tmp_path / "old", monkeypatch)
    made = run_backup(tmp_path / "backups")
    assert made.exit_code == 0, made.stderr
    restored = run(tmp_path / "backups", "--data-dir", tmp_path / "new", "--config", restore_config)
    assert restored.exit_code == 0, restored.output
    for name, database in migrate.database_settings(restore_target).items():
        engine = sa.create_engine(database.url(), poolclass=sa.NullPool)
        with engine.connect() as connection:
            assert schema_version(connection, name) is SchemaVersion.CURRENT
    [row] = rows(restore_target)["fingerprint"]
    assert UUID(int=2) in row
    with open_reader(restore_target.fingerprint_index.path) as index:
        assert index.stats().documents == 1

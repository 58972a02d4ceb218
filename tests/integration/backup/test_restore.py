"""`acoustid restore` from the databases of the tests into other ones on the same server."""

import shutil
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from cli.backup.opened import open_backup
from cli.commands.data.restore import restore
from cli.exit_status import ExitStatus
from cli.stack.data_directory import DataDir
from cli.stack.recovery.unfinished_restore import read_unfinished
from pipeline.catalog import migrate
from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.ingest.tables import submission
from pipeline.fingerprint_store import open_store
from pipeline.index import open_reader
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.admin_commands import Run


@pytest.fixture
def stored(made_backup: Path, tmp_path: Path) -> Path:
    """A copy of a backup, which a test may change."""
    return Path(shutil.copytree(made_backup, tmp_path / "backups" / made_backup.name))


@pytest.fixture
def backup(databases: Databases, index_path: Path, tmp_path: Path, run_backup: Run) -> Path:
    """A backup of two imported submissions, one whose import is not recorded, and a pending one."""
    importer = Importer(databases, index_path)
    importer.run(*(importer.receipt(fingerprint(seed), mbid=uuid4()) for seed in (1, 2)))
    _, ids = importer.receive([importer.receipt(fingerprint(3))])
    importer.persist(importer.match(ids))
    with databases.engine("ingest").begin() as connection:
        connection.execute(
            sa.update(submission).where(submission.c.id == ids[0]).values(state="pending")
        )
    importer.receive([importer.receipt(fingerprint(4))])
    result = run_backup(tmp_path / "backups")
    assert result.exit_code == 0, result.stderr
    return Path(result.stdout.strip())


def run(*arguments: object) -> Result:
    return CliRunner().invoke(restore, [str(each) for each in arguments])


def rows(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of the four databases but those of receipts."""
    found = {}
    for name, database in migrate.database_settings(settings).items():
        engine = sa.create_engine(database.url(), poolclass=sa.NullPool)
        with engine.connect() as connection:
            for table in migrate.METADATA[name].sorted_tables:
                if table is not submission:
                    every = connection.execute(sa.select(table)).all()
                    found[table.fullname] = sorted(map(tuple, every), key=repr)
    return found


def states(settings: Settings) -> list[str]:
    engine = sa.create_engine(settings.database_ingest.url(), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(submission.c.state).order_by(submission.c.id)))


def test_restored_databases_are_equal_and_index_and_store_are_built(
    backup: Path, restore_config: Path, settings: Settings, restore_target: Settings, tmp_path: Path
) -> None:
    data = DataDir.at(tmp_path / "new")
    result = run(backup.parent, "--data-dir", data.root, "--config", restore_config)
    assert result.exit_code == 0, result.output
    assert rows(restore_target) == rows(settings)
    assert states(settings) == ["imported", "imported", "pending", "pending"]
    assert states(restore_target) == ["imported", "imported", "imported", "pending"]
    assert "1 submissions are imported after the start" in result.output
    with sa.create_engine(restore_target.database_fingerprint.url()).connect() as connection:
        position = newest_position(connection)
    with open_reader(restore_target.fingerprint_index.path) as index:
        assert index.changelog_state().position == position
    assert open_store(restore_target.fingerprint_store.path).stats().position == position
    assert read_unfinished(data) is None
    again = run(backup, "--data-dir", data.root, "--config", restore_config)
    assert again.exit_code == ExitStatus.FAILED
    assert "is not empty" in again.output


def test_a_database_that_is_not_empty_is_refused_by_name(
    stored: Path, restore_config: Path, restore_target: Settings, tmp_path: Path
) -> None:
    migrate.create_missing(restore_target)
    with sa.create_engine(restore_target.database_ingest.url()).begin() as connection:
        connection.execute(sa.text("CREATE TABLE mine (id int)"))
    result = run(stored, "--data-dir", tmp_path / "new", "--config", restore_config)
    assert result.exit_code == ExitStatus.FAILED
    assert f"{restore_target.database_ingest.name} on" in result.output
    assert "is not empty (it has public.mine)" in result.output


def test_a_directory_with_other_files_is_refused(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("")
    result = run(stored, "--data-dir", tmp_path)
    assert result.exit_code == ExitStatus.FAILED
    assert "is not empty" in result.output


def test_a_place_that_cannot_be_a_new_directory_is_refused(stored: Path, tmp_path: Path) -> None:
    before = sorted(stored.iterdir())
    inside = run(stored, "--data-dir", stored / "new")
    assert inside.exit_code == ExitStatus.FAILED
    assert f"is in the backup {stored}: give a new directory elsewhere" in inside.output
    assert sorted(stored.iterdir()) == before
    (tmp_path / "file").write_text("")
    file = run(stored, "--data-dir", tmp_path / "file")
    assert file.exit_code == ExitStatus.FAILED
    assert "is a file: give a new directory" in file.output


def test_a_check_finds_a_damaged_dump_and_writes_nothing(stored: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert "the backup is intact" in run(stored, "--check").output
    dump = stored / "fingerprint.dump"
    content = bytearray(dump.read_bytes())
    content[-100] ^= 1
    dump.write_bytes(content)
    result = run(stored, "--check")
    assert result.exit_code == ExitStatus.FAILED
    assert "fingerprint.dump" in result.output
    assert sorted(tmp_path.rglob("*")) == before


def test_a_backup_of_a_newer_version_is_refused(stored: Path, tmp_path: Path) -> None:
    manifest = open_backup(stored).manifest
    [revision] = manifest.dumps[0].revisions.values()
    path = stored / "backup.json"
    path.write_text(path.read_text().replace(revision, "ingest_9999"))
    result = run(stored, "--data-dir", tmp_path / "new")
    assert result.exit_code == ExitStatus.FAILED
    assert "made by a newer version" in result.output
    assert not (tmp_path / "new").exists()

"""`acoustid backup` on real databases that are not those of `acoustid up`."""

import shutil
import subprocess
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from cli.backup.opened import OpenedBackup, open_backup
from cli.backup.programs import find_program
from cli.commands.data.backup import backup as command
from cli.exit_status import ExitStatus
from pipeline.catalog import migrate
from pipeline.catalog.fingerprint.tables import fingerprint, track
from pipeline.catalog.schema_version import revisions
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint as random_walk
from tests.support.clients.admin_commands import Run, command_runner
from tests.support.processes.servers import PASSWORD

Rows = list[tuple[Any, ...]]


@pytest.fixture
def content(databases: Databases, index_path: Path) -> None:
    """Two fingerprints of two tracks, and three pending submissions."""
    with databases.engine("fingerprint").begin() as connection:
        for seed in (1, 2):
            made = sa.insert(track).values(gid=uuid4()).returning(track.c.id)
            words = random_walk(seed).tobytes()
            connection.execute(
                sa.insert(fingerprint).values(
                    words=words,
                    gid=uuid4(),
                    simhash=seed,
                    length=200,
                    track_id=connection.execute(made).scalar_one(),
                    submission_count=1,
                )
            )
    importer = Importer(databases, index_path)
    importer.receive([importer.receipt(random_walk(seed)) for seed in (3, 4, 5)])


def made_by(run: Run, *arguments: object) -> OpenedBackup:
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    return open_backup(Path(result.stdout.strip()))


def ignore(size: int) -> None:
    del size


@pytest.fixture
def in_folder(content: None, run_backup: Run, tmp_path: Path) -> OpenedBackup:
    """A backup in a folder."""
    del content
    return made_by(run_backup, tmp_path / "backups")


def test_the_manifest_says_what_is_in_the_backup(
    in_folder: OpenedBackup, settings: Settings
) -> None:
    found = in_folder.manifest
    assert [dump.names for dump in found.dumps] == [
        ("ingest",),
        ("fingerprint",),
        ("app",),
        ("musicbrainz",),
    ]
    assert [dump.database for dump in found.dumps] == [
        each.name
        for each in (
            settings.database_ingest,
            settings.database_fingerprint,
            settings.database,
            settings.database_musicbrainz,
        )
    ]
    assert {name: text for dump in found.dumps for name, text in dump.revisions.items()} == {
        name: revisions(name)[1] for name in ("ingest", "fingerprint", "app", "musicbrainz")
    }
    counts = found.counts
    assert (counts.fingerprints, counts.tracks, counts.pending_submissions) == (2, 2, 3)
    assert {dump.dumped_by for dump in found.dumps} == {
        dump.server_version // 10000 for dump in found.dumps
    }
    in_folder.verify(ignore)
    times = [dump.snapshot for dump in found.dumps]
    assert times == sorted(times)
    assert (times[-1] - times[0]).total_seconds() < 5
    assert found.created == times[0]
    assert abs((datetime.now(UTC) - times[0]).total_seconds()) < 60


def test_a_backup_in_one_file_is_equal(content: None, run_backup: Run, tmp_path: Path) -> None:
    del content
    found = made_by(run_backup, "--to", tmp_path / "backup.tar")
    assert found.path == tmp_path / "backup.tar"
    found.verify(ignore)
    counts = found.manifest.counts
    assert (counts.fingerprints, counts.tracks, counts.pending_submissions) == (2, 2, 3)
    with tarfile.open(found.path) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    unpacked = open_backup(tmp_path / "unpacked")
    unpacked.verify(ignore)
    assert unpacked.manifest == found.manifest
    [dump] = [each for each in unpacked.manifest.dumps if "ingest" in each.names]
    listed = subprocess.run(
        [find_program("pg_restore", dump.dumped_by).path, "--list", unpacked.path / dump.file],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "TABLE DATA public submission " in listed.stdout


def test_a_failed_command_leaves_nothing_and_says_what_to_do(
    settings: Settings, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del databases
    wrong = settings.database_ingest.model_copy(update={"port": 1})
    changed = settings.model_copy(update={"database_ingest": wrong})
    result = command_runner(command, changed, tmp_path, monkeypatch)(tmp_path / "backups")
    assert result.exit_code == ExitStatus.FAILED
    assert "no backup was written" in result.stderr
    assert "Connection refused" in result.stderr
    assert PASSWORD not in result.output
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [".backup.lock"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "give either DIR or --to FILE"),
        (("a", "--to", "b"), "give either DIR or --to FILE"),
        (("--to", "b", "--keep", "2"), "--keep needs DIR"),
        (("--to", "-"), "--to needs a file"),
        (("a", "--keep", "0"), "0 is not in the range"),
    ],
)
def test_a_wrong_command_line_is_refused(
    arguments: tuple[str, ...], text: str, run_backup: Run
) -> None:
    result = run_backup(*arguments)
    assert result.exit_code == ExitStatus.USAGE
    assert text in result.stderr


def test_older_backups_are_deleted_after_success(
    databases: Databases, run_backup: Run, made_backup: Path, tmp_path: Path
) -> None:
    del databases
    parent = tmp_path / "backups"
    first = parent / made_backup.name
    shutil.copytree(made_backup, first)
    second = run_backup(parent, "--keep", 1)
    assert f"deleted the older backup {first}" in second.stderr
    found = Path(second.stdout.strip())
    assert {path.name for path in parent.iterdir()} == {".backup.lock", found.name}
    assert open_backup(found).manifest.service == open_backup(made_backup).manifest.service


def test_databases_that_are_one_are_dumped_once(
    settings: Settings, run_for: Callable[[Settings], Run], tmp_path: Path
) -> None:
    one = settings.database.model_copy(update={"name": "shared_by_all"})
    sections = ("database", "database_ingest", "database_fingerprint", "database_musicbrainz")
    # Two names of one host do not make two databases.
    other = one.model_copy(update={"host": "localhost"})
    shared = settings.model_copy(
        update={name: other if name == "database_ingest" else one for name in sections}
    )
    migrate.create_missing(shared)
    migrate.upgrade_all(shared)
    found = made_by(run_for(shared), tmp_path / "backups").manifest
    [dump] = found.dumps
    assert dump.names == ("ingest", "fingerprint", "app", "musicbrainz")
    assert dump.file == "ingest+fingerprint+app+musicbrainz.dump"
    assert found.counts.pending_submissions == 0


def test_a_mirror_of_musicbrainz_is_left_out(
    settings: Settings, run_for: Callable[[Settings], Run], tmp_path: Path
) -> None:
    mirror = settings.database_musicbrainz.model_copy(update={"name": "mirror_of_musicbrainz"})
    changed = settings.model_copy(update={"database_musicbrainz": mirror})
    migrate.create_missing(changed)
    engine = sa.create_engine(mirror.url(), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA musicbrainz"))
        connection.execute(sa.text("CREATE TABLE musicbrainz.recording (id int)"))
    result = run_for(changed)(tmp_path / "backups")
    assert result.exit_code == 0, result.stderr
    assert "not in the backup: the database musicbrainz, a mirror" in result.stderr
    found = open_backup(Path(result.stdout.strip())).manifest
    assert found.left_out == ("musicbrainz",)
    assert [dump.names for dump in found.dumps] == [("ingest",), ("fingerprint",), ("app",)]


@pytest.fixture
def run_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Settings], Run]:
    """Return a function that returns `run_backup` for other settings."""
    return lambda changed: command_runner(command, changed, tmp_path, monkeypatch)

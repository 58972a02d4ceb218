"""Backups that are killed, lose their connection, or find no space; and their secrets."""

import multiprocessing
import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil
import pytest
import sqlalchemy as sa

from cli.backup.manifest import ManifestError
from cli.backup.opened import open_backup
from cli.commands.data.backup import backup as command
from cli.exit_status import ExitStatus
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.admin_commands import Run, command_runner
from tests.support.polling import eventually
from tests.support.processes.servers import PASSWORD

KILLS: Final = 4
FORK: Final = multiprocessing.get_context("fork")

Target = Callable[[Path, int], tuple[str, ...]]


@pytest.fixture
def run(
    settings: Settings,
    databases: Databases,
    index_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Return a function that runs `acoustid backup` on databases with pending submissions."""
    importer = Importer(databases, index_path)
    importer.receive([importer.receipt(fingerprint(seed)) for seed in range(50)])
    databases.dispose()  # forked processes must not share connections
    return command_runner(command, settings, tmp_path, monkeypatch)


@contextmanager
def in_a_process(run: Run, *arguments: str) -> Iterator[int]:
    """Run the command in a process of its own; yield its pid, and kill it at the end."""

    def work() -> None:
        os._exit(run(*arguments).exit_code)

    process = FORK.Process(target=work)
    process.start()
    assert process.pid is not None
    try:
        yield process.pid
    finally:
        process.kill()
        process.join(10)


def programs(pid: int) -> list[psutil.Process]:
    """Return the programs that dump for a process."""
    return [
        each
        for each in psutil.process_iter(["name", "cmdline"])
        if each.info["name"] == "pg_dump" and f"acoustid-backup-{pid}" in str(each.info["cmdline"])
    ]


def to_folder(folder: Path, number: int) -> tuple[str, ...]:
    del number
    return (str(folder),)


def to_file(folder: Path, number: int) -> tuple[str, ...]:
    return ("--to", str(folder / f"{number}.tar"))


def complete(folder: Path) -> list[Path]:
    """Return the paths under final names; each must be a complete backup."""
    found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    for path in found:
        open_backup(path).verify(lambda size: size)
    return found


@pytest.mark.parametrize("target", [to_folder, to_file])
def test_a_killed_backup_is_never_taken_for_whole(run: Run, target: Target, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    begun = time.monotonic()
    assert run(*target(folder, 0)).exit_code == 0
    duration = time.monotonic() - begun
    for number in range(1, KILLS + 1):
        with in_a_process(run, *target(folder, number)) as pid:
            time.sleep(random.uniform(0, duration))
        complete(folder)
        eventually(lambda pid=pid: not programs(pid))
    before = len(complete(folder))
    assert run(*target(folder, KILLS + 1)).exit_code == 0
    assert len(complete(folder)) == before + 1
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} <= {".backup.lock"}


def test_a_killed_backup_is_no_backup_while_it_dumps(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    with in_a_process(run, str(folder)) as pid:
        eventually(lambda: programs(pid))
    [partial] = folder.glob(".partial-*")
    with pytest.raises(ManifestError, match="is not a complete backup"):
        open_backup(partial)
    assert complete(folder) == []


def test_a_full_disk_is_reported_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        result = run(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert result.exit_code == ExitStatus.FAILED
    assert f"no backup was written to {folder}: File too large" in result.stderr
    assert [path.name for path in folder.iterdir()] == [".backup.lock"]
    eventually(lambda: not programs(os.getpid()))


def test_a_lost_connection_is_reported_and_leaves_nothing(
    run: Run, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    ended = threading.Event()
    engine = sa.create_engine(settings.database_ingest.url(), isolation_level="AUTOCOMMIT")
    statement = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"
    ).bindparams(name=f"acoustid-backup-{os.getpid()}")

    def end_connections() -> None:
        with engine.connect() as connection:
            while not ended.wait(0.002):
                connection.execute(statement)

    thread = threading.Thread(target=end_connections)
    thread.start()
    try:
        result = run(folder)
    finally:
        ended.set()
        thread.join(10)
        engine.dispose()
    assert result.exit_code == ExitStatus.FAILED
    assert "pg_dump of the database" in result.stderr
    assert "failed: " in result.stderr
    assert [path.name for path in folder.iterdir()] == [".backup.lock"]


def test_no_secret_is_in_the_list_of_processes_or_in_the_output(run: Run, tmp_path: Path) -> None:
    del run  # it has written the configuration
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "backup", str(tmp_path / "backups")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    lines: set[str] = set()
    found = psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.Error):
            for each in (found, *found.children(recursive=True)):
                lines.add(" ".join(each.cmdline()))
        time.sleep(0.005)
    assert process.stdout is not None
    output = process.stdout.read()
    assert process.returncode == 0, output
    assert any("pg_dump" in line for line in lines)
    assert PASSWORD not in output + "".join(lines)

"""A copy gets secrets of its own, or is refused; a moved directory keeps them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.files.configuration_mark import mark_of
from cli.stack.identity.claim import (
    CopiedDirectoryError,
    NotStartedError,
    require_own_configuration,
    require_started_here,
)
from cli.stack.identity.origin import Origin, find_provenance
from cli.stack.processes.stopping import StopOrder
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunningProcess, RunState
from cli.stack.servers.postgres_directory import PATH_FILE
from cli.stack.servers.postgres_owner import OWNER_FILE, write_owner
from cli.stack.servers.postgres_pid_file import PID_FILE
from cli.stack.stack_record import StackRecord
from tests.unit.cli.stack.identity.directories import (
    claim,
    copy,
    move,
    of_earlier_version,
    started,
)


def secrets(record: StackRecord) -> set[str]:
    return {
        record.token,
        record.postgres_password,
        record.valkey_password,
        record.cluster_secret,
        record.flower_password,
    }


def contents(data: DataDir) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in data.root.rglob("*") if path.is_file()}


@pytest.fixture
def original(tmp_path: Path) -> DataDir:
    return started(tmp_path / "original")


@pytest.fixture
def copied(original: DataDir, tmp_path: Path) -> DataDir:
    return copy(original, tmp_path / "copy of it")


def test_a_copy_is_refused_with_the_command_and_is_not_changed(
    original: DataDir, copied: DataDir
) -> None:
    before = contents(copied)
    command = f"--data-dir '{copied.root}' --adopt"
    with pytest.raises(CopiedDirectoryError, match=f"copy of .*{original.root}.*{command}"):
        claim(copied)
    assert contents(copied) == before


def test_an_adopted_copy_shares_no_secret_and_no_port(original: DataDir, copied: DataDir) -> None:
    before = contents(original)
    claim(copied, adopt=True)
    record = StackRecord.load(copied)
    assert not secrets(record) & secrets(StackRecord.load(original))
    assert len(secrets(record)) == 5
    assert (record.postgres_port, record.valkey_port) == (0, 0)
    assert find_provenance(copied, record).origin is Origin.OWN
    assert contents(original) == before


def test_an_adopted_copy_needs_the_option_only_once(copied: DataDir) -> None:
    claim(copied, adopt=True)
    record = StackRecord.load(copied)
    assert claim(copied) == []
    assert StackRecord.load(copied) == record


def test_the_settings_of_the_original_are_deleted_from_a_copy(copied: DataDir) -> None:
    """They lead to the servers of the original."""
    claim(copied, adopt=True)
    assert not copied.config.exists()


def test_a_copy_made_while_the_stack_ran_is_reported(original: DataDir, tmp_path: Path) -> None:
    lock = original.root / "postgres" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n")
    made = copy(original, tmp_path / "copy")
    assert [line for line in claim(made, adopt=True) if "may be damaged" in line]
    assert not (made.root / "postgres" / "postmaster.pid").exists()
    assert lock.exists()


def test_a_restored_backup_works_and_has_new_secrets(original: DataDir, copied: DataDir) -> None:
    """The original may run on another machine, or may have been moved."""
    before = StackRecord.load(original)
    shutil.rmtree(original.root)
    (line,) = claim(copied)
    assert f"restored or moved from {original.root}" in line
    assert not secrets(StackRecord.load(copied)) & secrets(before)


def test_a_moved_directory_keeps_its_secrets(original: DataDir, tmp_path: Path) -> None:
    before = StackRecord.load(original)
    moved = move(original, tmp_path / "moved")
    assert claim(moved) == [f"this data directory was moved from {original.root}"]
    after = StackRecord.load(moved)
    assert replace(after, directory=before.directory) == before
    assert claim(moved) == []


def test_a_directory_of_an_earlier_version_is_taken_silently(tmp_path: Path) -> None:
    data = of_earlier_version(tmp_path / "a")
    before = secrets(StackRecord.load(data))
    assert claim(data) == []
    record = StackRecord.load(data)
    assert secrets(record) == before
    assert record.directory


def test_commands_refuse_a_copy_and_a_moved_directory(
    original: DataDir, copied: DataDir, tmp_path: Path
) -> None:
    """Their settings lead to the databases and the files of the original."""
    require_started_here(original)
    with pytest.raises(NotStartedError, match="--adopt"):
        require_started_here(copied)
    claim(copied, adopt=True)
    require_started_here(copied)
    moved = move(original, tmp_path / "moved")
    with pytest.raises(NotStartedError, match="was moved"):
        require_started_here(moved)


def test_commands_use_a_stack_that_runs_in_a_moved_directory(
    original: DataDir, tmp_path: Path
) -> None:
    with original.lock():
        require_started_here(move(original, tmp_path / "moved"))


@pytest.mark.parametrize("is_marked", [True, False])
def test_commands_refuse_the_configuration_file_of_another_stack(
    original: DataDir, tmp_path: Path, is_marked: bool
) -> None:
    """An earlier version has written no mark: the paths in the file show its stack."""
    other = started(tmp_path / "other")
    if is_marked:
        for data in (original, other):
            data.config.write_text(mark_of(StackRecord.load(data).token) + "\n")
    require_started_here(other)
    shutil.copy(original.config, other.config)
    with pytest.raises(NotStartedError, match="was not written for this stack"):
        require_started_here(other)
    with other.lock(), pytest.raises(NotStartedError):
        require_started_here(other)
    require_started_here(original)


def test_up_refuses_the_settings_of_another_stack(original: DataDir, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot be its configuration"):
        require_own_configuration(original.config)
    require_own_configuration(tmp_path / "acoustid.conf")
    require_own_configuration(None)


def test_a_replaced_directory_is_refused_while_the_old_one_runs(
    original: DataDir, tmp_path: Path
) -> None:
    """Its processes still write to this path."""
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", str(original.config)]
    )
    try:
        identity = ProcessIdentity(
            sleeper.pid, psutil.Process(sleeper.pid).create_time(), str(original.config)
        )
        worker = RunningProcess("worker", StopOrder.WORKER, None, "127.0.0.1", identity)
        RunState(ProcessIdentity(2**22, 1.0), (worker,)).save(original)
        backup = copy(original, tmp_path / "backup")
        move(original, tmp_path / "old")
        replacing = move(backup, original.root)
        with pytest.raises(StackError, match=rf"worker \(pid {sleeper.pid}\)"):
            claim(replacing)
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()
    assert claim(replacing)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    """An external PostgreSQL directory with a process that uses it."""
    base = tmp_path / "external"
    (base / "postgres").mkdir(parents=True)
    text = "import time; time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", text, str(base / "postgres")]) as process:
        (base / "postgres" / PID_FILE).write_text(f"{process.pid}\n")
        yield base
        assert process.poll() is None
        process.kill()


@pytest.mark.parametrize("owner", ["", "/no/such/directory\n"])
def test_a_server_that_another_stack_has_started_is_not_taken(
    original: DataDir, server: Path, owner: str
) -> None:
    """Without an owner, or with one of an earlier version, the PostgreSQL directory is free."""
    (original.root / PATH_FILE).write_text(f"{server}\n")
    (server / OWNER_FILE).write_text(owner)
    before = contents(original)
    with pytest.raises(StackError, match=r"PostgreSQL \(pid \d+\) runs on .* has not started it"):
        claim(original)
    assert contents(original) == before
    assert (server / OWNER_FILE).read_text() == owner


def test_a_server_of_the_directory_itself_is_no_obstacle(original: DataDir, server: Path) -> None:
    """The supervisor was killed; a moved directory is the same one."""
    (original.root / PATH_FILE).write_text(f"{server}\n")
    write_owner(server, original.root)
    claim(move(original, original.root.with_name("moved")))

"""PostgreSQL's directory can be entered by the account that runs PostgreSQL.

As root this is another account; otherwise it is the user of this process. The tests pass for both.
"""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.stack.processes.system_account import AccountError, server_account
from cli.stack.servers import postgres_directory
from cli.stack.servers.binaries import find_postgres
from cli.stack.servers.postgres_directory import PostgresDirectory, PostgresDirectoryError
from cli.stack.servers.postgres_owner import OWNER_FILE, write_owner


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with mode 0700, such as a home directory."""
    with tempfile.TemporaryDirectory() as folder:
        closed = Path(folder).resolve()
        home = closed.with_name(f"{closed.name}-lib")
        monkeypatch.setattr(postgres_directory, "SYSTEM_HOME", home)
        (closed / "data").mkdir(mode=0o700)
        yield closed
        postgres_directory.delete_external(closed / "data")
        if home.exists():
            home.rmdir()


def can_enter(chosen: PostgresDirectory) -> bool:
    return chosen.account is None or chosen.account.has_access("x", chosen.base)


def modes(folder: Path) -> list[int]:
    return [stat.S_IMODE(each.stat().st_mode) for each in (folder, *folder.parents)]


def test_the_account_can_enter_the_directory(closed: Path) -> None:
    before = modes(closed / "data")
    chosen = postgres_directory.choose(closed / "data", "token")
    assert can_enter(chosen)
    assert modes(closed / "data") == before


def test_the_directory_stays_the_same(closed: Path) -> None:
    first = postgres_directory.choose(closed / "data", "token")
    assert postgres_directory.choose(closed / "data", "token") == first


def test_the_account_can_enter_despite_a_strict_umask(closed: Path) -> None:
    before = os.umask(0o077)
    try:
        assert can_enter(postgres_directory.choose(closed / "data", "token"))
    finally:
        os.umask(before)


def test_a_missing_external_directory_is_an_error(closed: Path) -> None:
    (closed / "data" / postgres_directory.PATH_FILE).write_text("/no/such/place\n")
    with pytest.raises(PostgresDirectoryError, match="/no/such/place"):
        postgres_directory.choose(closed / "data", "token")


@pytest.fixture
def external(closed: Path) -> Path:
    """An external directory of ``closed / "data"``."""
    base = closed / "external"
    base.mkdir()
    (closed / "data" / postgres_directory.PATH_FILE).write_text(f"{base}\n")
    write_owner(base, closed / "data")
    return base


def test_an_external_directory_is_not_used_by_a_copy(closed: Path, external: Path) -> None:
    """Two servers on one directory would destroy it."""
    copy = closed / "copy"
    shutil.copytree(closed / "data", copy)
    with pytest.raises(PostgresDirectoryError, match=f"{external}, which belongs to {closed}/data"):
        postgres_directory.choose(copy, "token")
    postgres_directory.delete_external(copy)
    assert external.exists()
    assert postgres_directory.choose(closed / "data", "token").base == external


def test_a_moved_directory_keeps_its_external_directory(closed: Path, external: Path) -> None:
    moved = (closed / "data").rename(closed / "moved")
    assert postgres_directory.choose(moved, "token").base == external
    postgres_directory.delete_external(moved)
    assert not external.exists()


def test_a_copy_does_not_get_the_external_directory_of_a_moved_original(
    closed: Path, external: Path
) -> None:
    copy = closed / "copy"
    shutil.copytree(closed / "data", copy)
    moved = (closed / "data").rename(closed / "moved")
    with pytest.raises(PostgresDirectoryError, match=f"which belongs to {closed}/data"):
        postgres_directory.choose(copy, "token")
    assert postgres_directory.choose(moved, "token").base == external
    with pytest.raises(PostgresDirectoryError, match=f"which belongs to {moved}"):
        postgres_directory.choose(copy, "token")


def test_a_backup_gets_the_external_directory_after_its_owner_file_is_deleted(
    closed: Path, external: Path
) -> None:
    """The error of `check_owner` names this step."""
    shutil.copytree(closed / "data", closed / "backup")
    (closed / "data").rename(closed / "before")
    restored = (closed / "backup").rename(closed / "data")
    text = f"the directory that was before at {restored}.* delete {external / OWNER_FILE}"
    with pytest.raises(PostgresDirectoryError, match=text):
        postgres_directory.choose(restored, "token")
    (external / OWNER_FILE).unlink()
    assert postgres_directory.choose(restored, "token").base == external
    with pytest.raises(PostgresDirectoryError, match=f"which belongs to {restored}"):
        postgres_directory.choose(closed / "before", "token")


def test_an_owner_file_of_an_earlier_version_gets_device_and_inode(
    closed: Path, external: Path
) -> None:
    (external / OWNER_FILE).write_text(f"{closed / 'data'}\n")
    assert not postgres_directory.is_known_owner(closed / "data")
    assert postgres_directory.choose(closed / "data", "token").base == external
    assert postgres_directory.is_known_owner(closed / "data")


def test_a_copied_external_directory_without_an_owner_belongs_to_the_copy(
    closed: Path, external: Path
) -> None:
    """The error of `check_owner` names these steps."""
    copy, base = closed / "copy", closed / "external copy"
    shutil.copytree(closed / "data", copy)
    shutil.copytree(external, base)
    (copy / postgres_directory.PATH_FILE).write_text(f"{base}\n")
    (base / OWNER_FILE).unlink()
    assert postgres_directory.choose(copy, "token").base == base
    assert postgres_directory.choose(closed / "data", "token").base == external


def test_a_directory_that_others_can_write_to_is_not_used(closed: Path) -> None:
    (closed / "link").symlink_to(closed / "data")
    (closed / "open").mkdir()
    (closed / "open").chmod(0o777)
    for home in ("link", "open"):
        with pytest.raises(PostgresDirectoryError, match="own directory"):
            postgres_directory.create_own(closed / home)


def test_the_account_owns_a_created_folder(closed: Path) -> None:
    chosen = postgres_directory.choose(closed / "data", "token")
    chosen.create_folder(chosen.data)
    account = chosen.account
    assert chosen.data.stat().st_uid == (account.uid if account else os.geteuid())
    assert stat.S_IMODE(chosen.data.stat().st_mode) == 0o700


def test_the_owner_of_the_data_runs_the_server(closed: Path) -> None:
    chosen = postgres_directory.choose(closed / "data", "token")
    chosen.create_folder(chosen.data)
    assert server_account(chosen.data) == chosen.account


def test_the_account_can_run_the_programs(closed: Path) -> None:
    installed = closed / "site" / "pginstall"
    for folder in ("bin", "lib", "share"):
        (installed / folder).mkdir(parents=True)
    (installed / "bin" / "postgres").write_text("#!/bin/sh\necho postgres\n")
    (installed / "bin" / "postgres").chmod(0o700)
    chosen = postgres_directory.choose(closed / "data", "token")
    programs = postgres_directory.executable_programs(installed / "bin", chosen)
    account = chosen.account
    answer = subprocess.run(
        [programs / "postgres"],
        check=True,
        cwd="/",
        capture_output=True,
        text=True,
        **(account.popen_arguments() if account else {}),
    )
    assert answer.stdout == "postgres\n"
    assert postgres_directory.executable_programs(installed / "bin", chosen) == programs


def test_a_user_without_a_name_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2**31 - 7)
    with pytest.raises(AccountError, match="no entry in the password file"):
        server_account(Path("/no/such/data"))


def test_the_programs_of_the_wheel_are_found() -> None:
    assert (find_postgres() / "initdb").is_file()

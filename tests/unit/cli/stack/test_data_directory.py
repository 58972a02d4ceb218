"""The data directory: its modes, its lock and its logs."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack.data_directory import AlreadyRunningError, DataDir
from cli.stack.files import private_modes


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_is_private(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "deep" / "data")
    data.create()
    assert mode(data.root) & 0o066 == 0
    assert mode(data.log("api").parent) == 0o700


def test_a_directory_with_other_files_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    backup = tmp_path / "index-backup"
    backup.mkdir()
    backup.chmod(0o755)  # whatever the umask is
    DataDir.at(tmp_path).create()
    assert mode(tmp_path) == 0o755
    assert mode(tmp_path / "index-backup") == 0o755


def test_other_users_lose_their_rights_to_existing_files(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "data")
    elsewhere = tmp_path / "other disk"
    elsewhere.mkdir()
    for folder in (data.root, data.index, data.root / "index.damaged-20260102T030405Z"):
        folder.mkdir()
        folder.chmod(0o755)
    data.store.symlink_to(elsewhere)
    (data.index / "link").symlink_to(tmp_path)
    files = [data.index / "lock", elsewhere / "lock", data.lock_file, data.root / ".run.json-x1"]
    for file in files:
        file.touch()
        file.chmod(0o644)
    tmp_path.chmod(0o755)
    data.create()
    assert {mode(each) for each in files} == {0o600}
    folders = (data.index, elsewhere, data.root / "index.damaged-20260102T030405Z")
    assert {mode(each) for each in folders} == {0o700}
    assert mode(data.root) == (0o711 if os.geteuid() == 0 else 0o700)
    assert mode(tmp_path) == 0o755


def test_the_secrets_of_containers_keep_their_modes(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    (data.root / "secrets").mkdir(mode=0o700)
    secret = data.root / "secrets" / "redis_password"
    secret.touch()
    secret.chmod(0o644)
    data.create()
    assert mode(secret) == 0o644


def test_the_files_of_the_tls_proxy_keep_their_modes(tmp_path: Path) -> None:
    """The directory becomes private although it has these files."""
    data = DataDir.at(tmp_path / "data")
    (data.root / "tls" / "live").mkdir(parents=True)
    (data.root / "tls" / "live").chmod(0o755)
    data.root.chmod(0o755)
    data.create()
    assert mode(data.root / "tls" / "live") == 0o755
    assert mode(data.root) == private_modes.top_mode()


def test_a_narrow_mode_is_not_widened(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "data")
    data.root.mkdir(mode=0o700)
    data.create()
    assert mode(data.root) == 0o700


def test_the_path_has_no_symbolic_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert DataDir.at(tmp_path / "link").root == (tmp_path / "real").resolve()


def test_the_error_names_a_file_in_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="file"):
        DataDir.at(tmp_path / "file" / "data").create()


def test_a_second_lock_is_refused(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    with data.lock():
        assert data.is_locked()
        with pytest.raises(AlreadyRunningError, match=f"--data-dir {tmp_path}"), data.lock():
            pass
    assert not data.is_locked()


def test_two_commands_may_look_at_the_lock_at_once(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    with data.lock():
        pass
    with (tmp_path / "run.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not data.is_locked()


def test_a_missing_directory_is_not_locked(tmp_path: Path) -> None:
    assert not DataDir.at(tmp_path / "none").is_locked()

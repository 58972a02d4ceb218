"""The file with Flower's password."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.settings.sections import FlowerSettings
from tasks.flower.password_file import PasswordFileError, default_path, read_or_create


def test_the_first_call_creates_a_password_and_later_calls_return_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "flower-password"
    password = read_or_create(path)
    assert len(password) >= 32
    assert read_or_create(path) == password
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_calls_at_the_same_time_return_one_password(tmp_path: Path) -> None:
    path = tmp_path / "flower-password"
    with ThreadPoolExecutor(8) as executor:
        found = set(executor.map(read_or_create, [path] * 32))
    assert found == {path.read_text().strip()}


def test_two_files_have_different_passwords(tmp_path: Path) -> None:
    assert read_or_create(tmp_path / "one") != read_or_create(tmp_path / "two")


def test_an_empty_file_gets_a_password(tmp_path: Path) -> None:
    path = tmp_path / "flower-password"
    path.touch(0o600)
    assert read_or_create(path) == path.read_text().strip() != ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_of_other_users_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "flower-password"
    path.write_text("known")
    path.chmod(mode)
    with pytest.raises(PasswordFileError, match=r"delete it.* creates a new one"):
        read_or_create(path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flower-password"
    (tmp_path / "target").touch(0o600)
    path.symlink_to(tmp_path / "target")
    with pytest.raises(PasswordFileError, match=r"Set \[flower\] password"):
        read_or_create(path)
    assert (tmp_path / "target").read_text() == ""


def test_the_path_is_in_the_state_directory(tmp_path: Path) -> None:
    assert default_path({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "acoustid/flower-password"
    home = Path.home() / ".local/state/acoustid/flower-password"
    assert default_path({}) == home
    assert default_path({"XDG_STATE_HOME": "relative"}) == home


@pytest.mark.parametrize("password", ["ä", "line\nbreak", ""])
def test_a_password_that_browsers_cannot_send_is_refused(password: str) -> None:
    with pytest.raises(ValidationError, match="printable ASCII"):
        FlowerSettings.model_validate({"password": password})


def test_the_default_number_of_tasks_is_bounded() -> None:
    assert FlowerSettings().max_tasks <= 10_000

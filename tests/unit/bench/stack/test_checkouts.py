"""Checkouts: validity, commit, and the environment of their processes."""

import os
import subprocess

import pytest

from bench.stack.checkouts import Checkout, clean_environment
from cli.errors import StackError


@pytest.fixture
def checkout(tmp_path):
    for name in ("cli/main.py", ".venv/bin/python"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
    return tmp_path


def git(folder, *arguments: str):
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_checkout_runs_its_own_interpreter(checkout):
    found = Checkout.at(checkout)
    assert found.root == checkout
    assert found.command("up", "--port", "0") == [
        *(str(checkout / ".venv/bin/python"), "-m", "cli.main", "up", "--port", "0")
    ]


def test_a_directory_without_the_project_is_refused(tmp_path):
    with pytest.raises(StackError, match="not a checkout"):
        Checkout.at(tmp_path)


def test_a_checkout_that_is_not_installed_is_refused(checkout):
    (checkout / ".venv/bin/python").unlink()
    with pytest.raises(StackError, match="make install"):
        Checkout.at(checkout)


def test_the_commit_is_marked_dirty_if_files_differ(checkout):
    git(checkout, "init", "--quiet")
    (checkout / ".gitignore").write_text(".venv\n", encoding="ascii")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--no-gpg-sign", "-m", "Begin")
    head = git(checkout, "rev-parse", "HEAD")
    assert Checkout.at(checkout).commit() == head
    (checkout / "cli" / "main.py").write_text("pass\n", encoding="ascii")
    assert Checkout.at(checkout).commit() == f"{head}-dirty"


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(checkout.parent))
    assert Checkout.at(checkout).commit() is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert Checkout.at(checkout).commit() is None


def test_the_environment_has_no_settings_and_no_paths_of_this_checkout(monkeypatch):
    for name in ("ACOUSTID_API_ONE_CORE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("ACOUSTID_CONFIG", "/etc/acoustid.conf")
    monkeypatch.setenv("LANG", "C.UTF-8")
    found = clean_environment()
    assert found["LANG"] == "C.UTF-8"
    assert found["ACOUSTID_CONFIG"] == os.devnull
    assert not {"ACOUSTID_API_ONE_CORE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"} & set(found)

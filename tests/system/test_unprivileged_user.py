"""The service as an unprivileged user, in a directory that other users can't read."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack.data_directory import DataDir
from cli.stack.processes.system_account import SystemAccount
from tests.support.processes.servers import temporary_folder
from tests.support.processes.whole_stack import WholeStack, running_stack
from tests.system.packages import needs_root
from tests.system.round_trip import check_submission_and_lookup

NOBODY = SystemAccount("nobody", 65534, 65534)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A directory of mode 0700 that belongs to an unprivileged user."""
    if not NOBODY.has_access("x", Path(sys.executable)):
        pytest.skip(f"needs a .venv that the user {NOBODY.name} can read")
    with temporary_folder() as folder:
        closed = folder / "closed"
        closed.mkdir(mode=0o700)
        os.chown(closed, NOBODY.uid, NOBODY.gid)
        yield closed


@pytest.fixture
def checkout(closed_folder: Path) -> Path:
    """A copy of the code in this directory, with its compiled loops."""
    copy = closed_folder / "checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "docs", "tests"))
    for path in (copy, *copy.rglob("*")):
        os.chown(path, NOBODY.uid, NOBODY.gid)
    return copy


@needs_root
def test_the_service_runs_in_a_directory_that_others_cannot_read(
    closed_folder: Path, checkout: Path
) -> None:
    data = DataDir.at(closed_folder / "data")
    process = {**NOBODY.popen_arguments(), "cwd": checkout}
    environ = {"HOME": str(closed_folder), "PYTHONPATH": str(checkout)}
    with running_stack(data, WholeStack, process=process, **environ) as stack:
        check_submission_and_lookup(stack)
        users = {psutil.Process(each["pid"]).uids().real for each in stack.status()["processes"]}
    assert users == {NOBODY.uid}
    every = [data.root, *data.root.rglob("*")]
    assert data.index / "lock" in every
    found = {each: each.lstat() for each in every if not each.is_symlink()}
    assert {each.st_uid for each in found.values()} == {NOBODY.uid}
    modes = {path: stat.S_IMODE(each.st_mode) for path, each in found.items()}
    assert {str(path) for path, mode in modes.items() if mode & 0o077} == set()
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}

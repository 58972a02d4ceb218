"""Processes of earlier runs: found by pid, start time and path."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack.processes.strays import ProcessIdentity, find_by_path

SLEEPER = "import time; time.sleep(600)"


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with one path below ``tmp_path`` as an argument and one in its environment."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(tmp_path / "given" / "file")],
        env={"VARIABLE": str(tmp_path / "variable")},
    )
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("mark", ["given", "given/file", "variable"])
def test_a_process_is_found_by_a_path_that_it_uses(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, mark: str
) -> None:
    found = find_by_path(sleeper.pid, str(tmp_path / mark))
    assert found
    assert found.pid == sleeper.pid


@pytest.mark.parametrize("mark", ["giv", "given/file/below", "other"])
def test_a_process_is_not_found_by_another_path(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, mark: str
) -> None:
    assert find_by_path(sleeper.pid, str(tmp_path / mark)) is None


def test_a_reused_pid_is_another_process(
    sleeper: subprocess.Popen[bytes],
) -> None:
    created = psutil.Process(sleeper.pid).create_time()
    assert ProcessIdentity(sleeper.pid, created).find()
    assert ProcessIdentity(sleeper.pid, created - 60).find() is None


def test_a_process_that_has_ended_is_not_found(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "", str(tmp_path)])
    created = psutil.Process(process.pid).create_time()
    process.wait()
    assert ProcessIdentity(process.pid, created, str(tmp_path)).find() is None


def test_a_process_of_celery_is_found_without_its_path() -> None:
    """Celery overwrites its command line and its environment."""
    titled = "import setproctitle, time; setproctitle.setproctitle('[celery beat]'); "
    process = subprocess.Popen(
        [sys.executable, "-c", f"{titled} print(flush=True); time.sleep(600)", "x" * 50],
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout
        process.stdout.readline()
        created = psutil.Process(process.pid).create_time()
        assert ProcessIdentity(process.pid, created, "/data/acoustid.conf").find()
        assert ProcessIdentity(process.pid, created - 60, "/data/acoustid.conf").find() is None
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("pid", [-5, 0, 2**31, 10**23])
def test_a_pid_that_cannot_exist_is_no_process(pid: int) -> None:
    assert find_by_path(pid, "/no/such/path") is None
    assert ProcessIdentity(pid, 0.0).find() is None

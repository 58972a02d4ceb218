"""Processes: which are ours, and how they end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack.processes import Identity, ProcessError, find_marked, read_tail, spawn, wait_until
from cli.stack.stopping import end, end_together

SLEEPER = "import time; time.sleep(600)"
OBSTINATE = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); "


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that was given a path below ``tmp_path`` and has another in its environment."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(tmp_path / "given" / "file")],
        env={"VARIABLE": str(tmp_path / "variable")},
    )
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("mark", ["given", "given/file", "variable"])
def test_a_process_is_known_by_the_path_it_was_given(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, mark: str
) -> None:
    found = find_marked(sleeper.pid, str(tmp_path / mark))
    assert found
    assert found.pid == sleeper.pid


@pytest.mark.parametrize("mark", ["giv", "given/file/below", "other"])
def test_a_process_is_not_known_by_another_path(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, mark: str
) -> None:
    assert find_marked(sleeper.pid, str(tmp_path / mark)) is None


def test_a_pid_that_came_round_again_is_not_the_same_process(
    sleeper: subprocess.Popen[bytes],
) -> None:
    created = psutil.Process(sleeper.pid).create_time()
    assert Identity(sleeper.pid, created).find()
    assert Identity(sleeper.pid, created - 60).find() is None


def test_a_process_that_has_ended_is_not_found(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "", str(tmp_path)])
    created = psutil.Process(process.pid).create_time()
    process.wait()
    assert Identity(process.pid, created, str(tmp_path)).find() is None


def test_a_child_leads_a_session_of_its_own(tmp_path: Path) -> None:
    child = spawn([sys.executable, "-c", SLEEPER], log=tmp_path / "log", env={})
    assert os.getsid(child.pid) == child.pid
    end(child)
    assert child.poll() == -signal.SIGTERM


def test_a_childs_output_goes_to_a_private_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    child = spawn([sys.executable, "-c", program], log=log, env={})
    assert wait_until(lambda: not child.runs(), 30)
    assert read_tail(log).split() == ["out", "err"]
    assert log.stat().st_mode & 0o077 == 0


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="/no/such/program cannot be started"):
        spawn(["/no/such/program"], log=tmp_path / "log", env={})


def test_pressure_grows_until_the_process_ends(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = spawn([sys.executable, "-c", OBSTINATE + SLEEPER], log=log, env={})
    assert wait_until(lambda: "on" in read_tail(log), 30)
    end(child, ((signal.SIGTERM, 0.2), (signal.SIGKILL, 30.0)))
    assert child.poll() == -signal.SIGKILL


def test_processes_end_at_the_same_time(tmp_path: Path) -> None:
    children = [
        spawn([sys.executable, "-c", SLEEPER], log=tmp_path / "log", env={}) for _ in range(3)
    ]
    end_together([(child, ((signal.SIGTERM, 30.0),)) for child in children])
    assert [child.poll() for child in children] == [-signal.SIGTERM] * 3


def test_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))
    assert read_tail(log, 2) == "line 9998\nline 9999"
    assert read_tail(tmp_path / "none") == ""

"""Finding the supervisor on a data directory without its lock or without its ``run.json``."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from cli.commands.service.down import down
from cli.errors import StackError
from cli.stack.data_directory import AlreadyRunningError, DataDir
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunState
from cli.stack.running.supervisors import find_supervisor, require_no_supervisor
from tests.support.polling import eventually

HOLDER = """
import subprocess, sys
from pathlib import Path
from cli.stack.data_directory import DataDir
with DataDir.at(Path(sys.argv[3])).lock():
    if "--servers" in sys.argv:
        subprocess.Popen([sys.executable, "-c", "input()"])
    print("locked", flush=True)
    sys.stdin.read()
"""
"""A program that holds the lock, as `acoustid up` does; with ``--servers`` it has a child."""

Start = Callable[..., int]


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    found = DataDir.at(tmp_path / "data")
    found.create()
    return found


@pytest.fixture
def start(data: DataDir, tmp_path: Path) -> Iterator[Start]:
    """Start `acoustid up` on the data directory; return its pid when it has the lock."""
    script = tmp_path / "acoustid"
    script.write_text(HOLDER)
    started = []

    def run(*options: str) -> int:
        process = subprocess.Popen(
            [sys.executable, str(script), "up", "--data-dir", str(data.root), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(Path.cwd())},
        )
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"
        return process.pid

    yield run
    for process in started:
        process.kill()
        process.communicate()


def save_state(data: DataDir, pid: int) -> RunState:
    state = RunState(ProcessIdentity(pid, psutil.Process(pid).create_time()), ready=True)
    state.save(data)
    return state


def test_a_supervisor_is_found_and_stopped_without_run_json(data: DataDir, start: Start) -> None:
    pid = start()
    found = find_supervisor(data, None)
    assert found
    assert found.pid == pid
    answer = CliRunner().invoke(down, ["--data-dir", str(data.root)])
    assert "has stopped" in answer.output
    eventually(lambda: not found.runs())
    assert find_supervisor(data, None) is None


def test_another_process_is_no_supervisor_although_the_lock_file_names_it(data: DataDir) -> None:
    with data.lock():
        assert find_supervisor(data, None) is None


def test_a_start_is_refused_after_the_lock_file_was_deleted(data: DataDir, start: Start) -> None:
    pid = start()
    state = save_state(data, pid)
    data.lock_file.unlink()
    with pytest.raises(AlreadyRunningError, match=f"pid {pid}"), data.lock():
        require_no_supervisor(data)
    found = find_supervisor(data, state)
    assert found
    assert found.pid == pid


def test_a_start_is_refused_at_the_path_of_a_moved_directory(data: DataDir, start: Start) -> None:
    """Its supervisor has started processes, which use the path."""
    pid = start("--servers")
    data.root.rename(data.root.with_name("moved"))
    data.create()
    with pytest.raises(StackError, match=rf"pid {pid}.*was moved"), data.lock():
        require_no_supervisor(data)


def test_a_start_that_waits_for_the_lock_is_no_other_stack(data: DataDir, start: Start) -> None:
    start()
    require_no_supervisor(data)

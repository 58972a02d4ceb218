"""What is written down of a stack that runs."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cli.stack.data_directory import DataDir
from cli.stack.processes import Identity
from cli.stack.roles import Stage
from cli.stack.run_state import Running, RunState, end_strays

SLEEPER = "import time; time.sleep(600)"


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir.at(tmp_path)


def running(role: str, pid: int, mark: str = "", stage: Stage = Stage.WORKER) -> Running:
    return Running(
        role, stage, None, "127.0.0.1", Identity(pid, psutil.Process(pid).create_time(), mark)
    )


def test_it_comes_back_as_it_was(data: DataDir) -> None:
    api = Running("api", Stage.FRONT, 5000, "0.0.0.0", Identity(3, 4.5, "mark"))  # noqa: S104
    state = RunState(Identity(1, 2.5), (api,), ready=True)
    state.save(data)
    assert RunState.load(data) == state
    assert state.find("api") == api
    assert state.find("beat") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"supervisor": 1}', '{"processes": [{}]}'])
def test_a_damaged_file_is_as_good_as_none(data: DataDir, text: str) -> None:
    data.run.write_text(text)
    assert RunState.load(data) is None


def test_strays_end_in_the_stacks_order_and_others_live(tmp_path: Path) -> None:
    ours = str(tmp_path / "acoustid.conf")
    stray, stranger = (
        subprocess.Popen([sys.executable, "-c", SLEEPER, mark]) for mark in (ours, "/elsewhere")
    )
    try:
        left = [
            running("server", stray.pid, ours, Stage.SERVER),
            running("worker", stranger.pid, ours),
            running("api", os.getpid(), ours, Stage.FRONT),
        ]
        assert end_strays(left) == ["server"]
        assert stray.wait(timeout=10) != 0
        assert stranger.poll() is None
    finally:
        for process in (stray, stranger):
            process.kill()
            process.wait()

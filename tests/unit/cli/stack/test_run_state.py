"""The file with the processes of a running stack."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cli.stack.data_directory import DataDir
from cli.stack.files.installed_code import InstalledCode
from cli.stack.processes.stopping import StopOrder
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunningProcess, RunState, stop_strays
from cli.stack.running.stop_progress import pause_with_progress
from tests.support.polling import eventually

SLEEPER = "import time; time.sleep(600)"


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir.at(tmp_path)


def running(
    role: str, pid: int, mark: str = "", stop_order: StopOrder = StopOrder.WORKER
) -> RunningProcess:
    return RunningProcess(
        role,
        stop_order,
        None,
        "127.0.0.1",
        ProcessIdentity(pid, psutil.Process(pid).create_time(), mark),
    )


def test_a_saved_state_can_be_loaded(data: DataDir) -> None:
    identity = ProcessIdentity(3, 4.5, "mark")
    api = RunningProcess("api", StopOrder.FRONT_END, 5000, "192.0.2.1", identity)
    code = InstalledCode("/packages", "12ab")
    state = RunState(ProcessIdentity(1, 2.5), (api,), ready=True, code=code)
    state.save(data)
    assert RunState.load(data) == state
    assert state.find("api") == api
    assert state.find("beat") is None


def test_fields_of_a_newer_version_are_left_out(data: DataDir) -> None:
    """Otherwise `acoustid down` of this version would find no stack."""
    identity = ProcessIdentity(3, 4.5, "mark")
    api = RunningProcess("api", StopOrder.FRONT_END, 5000, "192.0.2.1", identity)
    state = RunState(ProcessIdentity(1, 2.5), (api,), code=InstalledCode("/packages", "12ab"))
    state.save(data)
    found = json.loads(data.run.read_bytes())
    [process] = found["processes"]
    for each in (found, process, process["identity"], found["directory"], found["code"]):
        each["newer"] = 1
    data.run.write_text(json.dumps(found))
    assert RunState.load(data) == state


def test_replaced_code_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "tasks" / "new" / "module.py"
    module.parent.mkdir(parents=True)
    module.write_text("one = 1")
    state = RunState(ProcessIdentity(1, 2.5), code=InstalledCode.of(tmp_path))
    module.touch()
    assert state.runs_installed_code()
    module.write_text("one = 2")
    assert not state.runs_installed_code()
    assert not RunState(ProcessIdentity(1, 2.5)).runs_installed_code()  # of an earlier version


@pytest.mark.parametrize("text", ["", "{", "[]", '{"supervisor": 1}', '{"processes": [{}]}'])
def test_a_malformed_file_is_ignored(data: DataDir, text: str) -> None:
    data.run.write_text(text)
    assert RunState.load(data) is None


def test_strays_are_stopped_and_other_processes_are_not(tmp_path: Path) -> None:
    ours = str(tmp_path / "acoustid.conf")
    stray, stranger = (
        subprocess.Popen([sys.executable, "-c", SLEEPER, mark]) for mark in (ours, "/elsewhere")
    )
    try:
        left = [
            running("server", stray.pid, ours, StopOrder.SERVER),
            running("worker", stranger.pid, ours),
            running("api", os.getpid(), ours, StopOrder.FRONT_END),
        ]
        assert stop_strays(left) == ["server"]
        assert stray.wait(timeout=10) != 0
        assert stranger.poll() is None
    finally:
        for process in (stray, stranger):
            process.kill()
            process.wait()


def test_the_file_in_a_copy_says_nothing_about_the_copy(tmp_path: Path) -> None:
    """Otherwise `acoustid down` on the copy would stop the processes of the original."""
    data = DataDir.at(tmp_path / "original")
    data.create()
    RunState(ProcessIdentity(1, 2.5), ready=True).save(data)
    copied = DataDir.at(tmp_path / "copy")
    shutil.copytree(data.root, copied.root)
    assert RunState.load(copied) is None
    assert RunState.load(DataDir.at(data.root.rename(tmp_path / "moved")))


def test_the_file_of_an_earlier_version_is_known_by_its_paths(tmp_path: Path) -> None:
    data, copied = DataDir.at(tmp_path / "data"), DataDir.at(tmp_path / "data copy")
    for each in (data, copied):
        each.create()
        RunState(ProcessIdentity(1, 2.5), (running("api", os.getpid(), str(data.config)),)).save(
            each
        )
        each.run.write_text(re.sub(r',\s*"directory": {[^}]*}', "", each.run.read_text()))
    assert RunState.load(data)
    assert RunState.load(copied) is None


def test_a_stopped_process_ends_at_once(tmp_path: Path) -> None:
    """SIGTERM stays pending while a process is stopped."""
    mark = str(tmp_path)
    with subprocess.Popen([sys.executable, "-c", SLEEPER, mark]) as process:
        try:
            eventually(lambda: mark in psutil.Process(process.pid).cmdline(), 10.0)
            process.send_signal(signal.SIGSTOP)
            assert stop_strays([running("worker", process.pid, mark)]) == ["worker"]
            assert process.wait(timeout=10) == -signal.SIGTERM
        finally:
            process.kill()


def test_a_pause_names_the_processes_that_still_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.progress.INTERVAL", 0.0)
    ours = running("lookup", os.getpid())
    later = running("postgres", os.getpid(), stop_order=StopOrder.SERVER)
    ended = RunningProcess("beat", StopOrder.BEAT, None, "", ProcessIdentity(ours.identity.pid, 1))
    lines: list[str] = []
    pause_with_progress([later, ours, ended], lines.append)(0.0)
    pause_with_progress([ended], lines.append)(0.0)
    assert lines == [
        f"waiting for the end of lookup (pid {os.getpid()}) (0 s)",
        "waiting for the end of the supervisor (0 s)",
    ]

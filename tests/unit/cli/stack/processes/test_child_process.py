"""Child processes: how they start and how they are stopped."""

import os
import signal
import sys
from pathlib import Path

import pytest

from cli.stack.processes.child_process import (
    ProcessError,
    read_tail,
    spawn,
)
from cli.stack.processes.stopping import stop_process, stop_processes
from cli.stack.processes.waiting import wait_until

SLEEPER = "import time; time.sleep(600)"
OBSTINATE = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); "


def test_a_child_has_its_own_session(tmp_path: Path) -> None:
    child = spawn([sys.executable, "-c", SLEEPER], log=tmp_path / "log", env={})
    assert os.getsid(child.pid) == child.pid
    stop_process(child)
    assert child.poll() == -signal.SIGTERM


def test_the_output_of_a_child_goes_to_a_private_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    child = spawn([sys.executable, "-c", program], log=log, env={})
    assert wait_until(lambda: not child.runs(), 30)
    assert read_tail(log).split() == ["out", "err"]
    assert log.stat().st_mode & 0o077 == 0


def test_the_error_names_a_missing_command(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="/no/such/program cannot be started"):
        spawn(["/no/such/program"], log=tmp_path / "log", env={})


def test_the_next_signal_follows_if_a_process_does_not_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = spawn([sys.executable, "-c", OBSTINATE + SLEEPER], log=log, env={})
    assert wait_until(lambda: "on" in read_tail(log), 30)
    stop_process(child, ((signal.SIGTERM, 0.2), (signal.SIGKILL, 30.0)))
    assert child.poll() == -signal.SIGKILL


def test_processes_are_stopped_at_the_same_time(tmp_path: Path) -> None:
    children = [
        spawn([sys.executable, "-c", SLEEPER], log=tmp_path / "log", env={}) for _ in range(3)
    ]
    stop_processes([(child, ((signal.SIGTERM, 30.0),)) for child in children])
    assert [child.poll() for child in children] == [-signal.SIGTERM] * 3


def test_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))
    assert read_tail(log, 2) == "line 9998\nline 9999"
    assert read_tail(tmp_path / "none") == ""

"""Whether the process of a run has ended: of this host, of this worker, of another host."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.recovery import run_process
from tasks.recovery.run_process import describe, has_ended

NODE = "submission@here"
OTHER = "submission@there"


def no_heartbeats() -> list[str]:
    return []


def test_a_process_of_this_host_has_ended_when_the_kernel_says_so() -> None:
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        text = describe(OTHER, process.pid)
        assert not has_ended(text, NODE, no_heartbeats)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # its exit status is not read
        assert has_ended(text, NODE, lambda: [OTHER])
    assert has_ended(text, NODE, lambda: [OTHER])


def test_a_process_id_that_is_given_again_is_another_process() -> None:
    node, group, pid, started = describe(NODE).split(" ")
    assert not has_ended(f"{node} {group} {pid} {started}", NODE, no_heartbeats)
    assert has_ended(f"{node} {group} {pid} {int(started) - 1}", NODE, no_heartbeats)


@pytest.mark.parametrize(
    ("node", "alive", "ended"),
    [(OTHER, [OTHER], False), (OTHER, [NODE], True), (NODE, [NODE], True)],
)
def test_a_process_of_another_host_is_judged_by_its_worker(
    node: str, alive: list[str], ended: bool
) -> None:
    assert has_ended(f"{node} other-start/1 7 100", NODE, lambda: alive) is ended


def test_a_process_that_an_earlier_version_has_not_stored_has_ended() -> None:
    assert has_ended("", NODE, no_heartbeats)


def test_without_the_file_system_of_processes_the_start_is_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On macOS."""
    monkeypatch.setattr(run_process, "_PROCESSES", tmp_path / "missing")
    test_a_process_of_this_host_has_ended_when_the_kernel_says_so()

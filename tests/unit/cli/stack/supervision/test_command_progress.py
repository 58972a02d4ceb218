"""The progress of a command of the supervisor: the last line of its log."""

import os
import sys
import time
from pathlib import Path

import pytest

from cli.progress import INTERVAL, QUIET_INTERVAL
from cli.stack.processes.child_process import LogPipe
from cli.stack.supervision.command_progress import CommandProgress


@pytest.fixture
def log(tmp_path: Path) -> LogPipe:
    """A log with a line of an earlier run."""
    path = tmp_path / "migrate.log"
    path.write_text("an earlier run\n")
    return LogPipe(path, os.open(os.devnull, os.O_WRONLY), lambda: None)


@pytest.mark.parametrize(("is_terminal", "interval"), [(True, INTERVAL), (False, QUIET_INTERVAL)])
def test_the_last_line_of_this_run_is_reported_at_intervals(
    log: LogPipe, monkeypatch: pytest.MonkeyPatch, is_terminal: bool, interval: float
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    lines: list[str] = []
    progress = CommandProgress("postgres", log, lines.append)
    progress.report()
    assert lines == []
    now += INTERVAL
    progress.report()
    log.path.write_text("an earlier run\nrunning migrations\nrebuilding the index\n")
    now += interval - 0.1
    progress.report()
    assert len(lines) == 1
    now += 0.1
    progress.report()
    progress.report()
    assert lines == [
        "  postgres (3 s): starting",
        f"  postgres ({3 + interval:.0f} s): rebuilding the index",
    ]

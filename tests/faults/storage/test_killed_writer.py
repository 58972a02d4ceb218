"""A writer killed at any moment loses nothing that it has committed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.storage.workload import documents_at
from tests.unit.storage.users import User, named_segments, segment_files

ROOT = Path(__file__).parents[3]
KILLS = 12


def started(user: User, path: Path) -> subprocess.Popen[str]:
    """Start a process that writes without end."""
    command = [sys.executable, "-m", "tests.faults.storage.workload", user.format.noun, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def killed_after(process: subprocess.Popen[str], seconds: float) -> int:
    """Kill a writer some time after its first commit; return the last position it printed."""
    assert process.stdout is not None
    told = [process.stdout.readline()]
    time.sleep(seconds)
    process.kill()
    told += process.stdout.readlines()
    process.wait()
    return max(int(line) for line in told if line.endswith("\n"))


def test_nothing_committed_is_lost(user: User, path: Path) -> None:
    """After each of a dozen kills the folder is whole and holds all that was committed."""
    moments = random.Random(1)
    for _ in range(KILLS):
        committed = killed_after(started(user, path), moments.uniform(0, 0.15))
        with user.open_writer(path) as writer:
            position = writer.position()
        assert position >= committed
        assert user.verify(path) == []
        assert user.contents(path) == documents_at(user, position)
        assert len(segment_files(user, path)) == named_segments(user, path)


def test_the_lock_lives_as_long_as_its_process(user: User, path: Path) -> None:
    """A killed writer's lock is free at once, a living one's is not."""
    process = started(user, path)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(user.format.locked):
        user.open_writer(path)
    process.kill()
    process.wait()
    process.stdout.close()
    user.open_writer(path).close()

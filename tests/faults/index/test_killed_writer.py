"""A writer killed at any moment loses nothing that it has committed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.index import IndexLocked, open_reader, open_writer, verify
from tests.faults.index.workload import documents_at
from tests.unit.index.model import contents

ROOT = Path(__file__).parents[3]
KILLS = 12


def started(path: Path) -> subprocess.Popen[str]:
    """Start a process that writes to the index without end."""
    command = [sys.executable, "-m", "tests.faults.index.workload", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def killed_after(process: subprocess.Popen[str], seconds: float) -> int:
    """Kill -9 a writer some time after its first commit; return the last it told of."""
    assert process.stdout is not None
    told = [process.stdout.readline()]
    time.sleep(seconds)
    process.kill()
    told += process.stdout.readlines()
    process.wait()
    return max(int(line) for line in told if line.endswith("\n"))


def test_nothing_committed_is_lost(tmp_path: Path) -> None:
    """After each of a dozen kills the index is whole and holds all that was committed."""
    path = tmp_path / "index"
    moments = random.Random(1)
    for _ in range(KILLS):
        committed = killed_after(started(path), moments.uniform(0, 0.15))
        with open_writer(path) as writer:
            position = writer.position()
        assert position >= committed
        assert verify(path) == []
        assert contents(path) == documents_at(position)
        names = [file.name for file in path.glob("*.segment")]
        assert len(names) == open_reader(path).stats().segments


def test_the_lock_lives_as_long_as_its_process(tmp_path: Path) -> None:
    """A killed writer's lock is free at once, a living one's is not."""
    process = started(tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(IndexLocked):
        open_writer(tmp_path)
    process.kill()
    process.wait()
    process.stdout.close()
    open_writer(tmp_path).close()

"""A writer of the store killed at any moment loses nothing that it has committed."""

import random
import subprocess
import sys
import time
from pathlib import Path

from pipeline.fingerprint_store import open_store, open_store_writer, verify_store
from tests.faults.fingerprint_store.workload import model_at
from tests.unit.fingerprint_store.model import contents

ROOT = Path(__file__).parents[3]
KILLS = 6


def killed_after(path: Path, seconds: float) -> int:
    """Kill -9 a writer some time after its first commit; return the last it told of."""
    command = [sys.executable, "-m", "tests.faults.fingerprint_store.workload", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    told = [process.stdout.readline()]
    time.sleep(seconds)
    process.kill()
    told += process.stdout.readlines()
    process.wait()
    return max(int(line) for line in told if line.endswith("\n"))


def test_nothing_committed_is_lost(tmp_path: Path) -> None:
    """After each kill the store is whole and holds all that was committed."""
    path = tmp_path / "store"
    moments = random.Random(1)
    for _ in range(KILLS):
        committed = killed_after(path, moments.uniform(0, 0.15))
        with open_store_writer(path) as writer:
            position = writer.position()
        assert position >= committed
        assert verify_store(path) == []
        assert contents(path) == model_at(position)
        assert len(list(path.glob("*.fingerprints"))) == open_store(path).stats().segments

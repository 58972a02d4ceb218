"""The handlers of every process, in a new process that is no worker."""

import subprocess
import sys

import pytest

PROGRAM = """
import os
from celery import signals
from tasks.application import app
os.umask(0o022)
app.loader
signals.{signal}.send(sender="test", instance=None, conf=None, options={{}})
print(f"{{os.umask(0):03o}}")
"""


@pytest.mark.parametrize("signal", ["celeryd_init", "beat_init"])
def test_only_the_owner_can_read_new_files_of_workers_and_beat(signal: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(signal=signal)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "077\n"

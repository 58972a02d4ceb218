"""The cores of a process."""

import subprocess
import sys


def test_threads_started_later_run_on_one_core() -> None:
    program = (
        "import os, threading; from pipeline.runtime.processes import stay_on_one_core\n"
        "cores = getattr(os, 'sched_getaffinity', lambda _: {0})\n"
        "stay_on_one_core()\n"
        "seen = []\n"
        "thread = threading.Thread(target=lambda: seen.append(cores(0)))\n"
        "thread.start(); thread.join(); print(len(seen[0]))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"

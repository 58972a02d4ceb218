"""Signals to a server process before it serves."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import time
from http_server.start_signals import exit_while_starting
exit_while_starting()
print("starting", flush=True)
time.sleep(60)
"""
TIMEOUT = 30  # seconds


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_that_starts(number: signal.Signals) -> None:
    with subprocess.Popen((sys.executable, "-c", PROGRAM), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"starting\n"
        process.send_signal(number)
        assert process.wait(TIMEOUT) == 0

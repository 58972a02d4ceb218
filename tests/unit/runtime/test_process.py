"""A process that serves sets itself up."""

import gc
import subprocess
import sys

import pytest

from pipeline.runtime.process import PATIENCE, YOUNG, hand_over_rarely, settle


def test_what_is_loaded_is_left_out_of_collections() -> None:
    thresholds = gc.get_threshold()
    try:
        settle()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] == YOUNG
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


def test_threads_have_patience() -> None:
    before = sys.getswitchinterval()
    try:
        hand_over_rarely()
        assert sys.getswitchinterval() == pytest.approx(PATIENCE)
    finally:
        sys.setswitchinterval(before)


def test_threads_that_are_started_later_stay_on_one_core() -> None:
    program = (
        "import os, threading; from pipeline.runtime.process import stay_on_one_core\n"
        "cores = getattr(os, 'sched_getaffinity', lambda _: {0})\n"
        "stay_on_one_core()\n"
        "seen = []\n"
        "thread = threading.Thread(target=lambda: seen.append(cores(0)))\n"
        "thread.start(); thread.join(); print(len(seen[0]))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"

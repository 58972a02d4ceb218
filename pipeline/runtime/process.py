"""How a process that serves sets itself up: its garbage, its core."""

import gc
import os
import sys
from typing import Final

YOUNG: Final = 20_000
"""Objects that are made beyond those that are gone before the collector looks at them."""

PATIENCE: Final = 0.05
"""Seconds that a thread waits for the interpreter before it asks the one that has it to let go."""


def settle() -> None:
    """Leave what is loaded out of garbage collection, and collect less often.

    Most of what a service has at its start stays until its end, and what a request makes goes with
    it by reference counting. Looking through all of it at the default pace takes time, and now
    and then holds every request up.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)


def hand_over_rarely() -> None:
    """Let threads wait longer for the interpreter before they ask for it.

    Where many threads do little each, whoever has it lets go long before; and each of a hundred
    that ask every 5 ms, Python's default, wakes up to do so.
    """
    sys.setswitchinterval(PATIENCE)


def stay_on_one_core() -> None:
    """Let the threads that this one starts run on a single core of those it may use.

    Python runs one thread at a time. Where the next one runs on the other core, all that the last
    one touched has to follow it there, which takes longer than the work of a request. Systems
    without such a setting are left as they are.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})

"""How a process that serves sets itself up: the core that it runs on."""

import os


def stay_on_one_core() -> None:
    """Let the threads that this one starts run on a single core of those it may use.

    Python runs one thread at a time. Where the next one runs on the other core, all that the last
    one touched has to follow it there, which takes longer than the work of a request. Systems
    without such a setting are left as they are.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})

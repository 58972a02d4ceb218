"""A thread calls a function at intervals until it is closed."""

import threading
import time

from pipeline.runtime.periodic_thread import PeriodicThread


def test_an_exception_does_not_end_the_calls() -> None:
    calls: list[int] = []
    third = threading.Event()

    def fail() -> None:
        calls.append(1)
        if len(calls) == 3:
            third.set()
        raise ValueError("a fault")

    thread = PeriodicThread("test", fail, 0.01)
    assert third.wait(30)
    thread.close(30)
    count = len(calls)
    time.sleep(0.05)
    assert len(calls) == count


def test_the_first_call_starts_at_once_or_after_an_interval() -> None:
    at_once, later = threading.Event(), threading.Event()
    threads = [
        PeriodicThread("at once", at_once.set, 60, is_first_at_once=True),
        PeriodicThread("later", later.set, 60),
    ]
    assert at_once.wait(30)
    assert not later.is_set()
    begun = time.monotonic()
    for thread in threads:
        thread.close(30)
    assert time.monotonic() - begun < 10

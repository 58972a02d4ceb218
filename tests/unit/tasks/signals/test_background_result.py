"""A function runs in a thread at intervals, and its last result is used meanwhile."""

import threading
import time

from pipeline.lookups.condition import Condition
from tasks.signals.background_result import BackgroundResult
from tests.support.polling import eventually


def test_a_check_that_hangs_delays_no_later_call() -> None:
    released, conditions = threading.Event(), iter(Condition)
    held = False

    def check() -> Condition:
        if held:
            assert released.wait(30)
        return next(conditions)

    latest = BackgroundResult(check, every=0.0).latest
    assert latest() is Condition.OK
    held = True
    begun = time.monotonic()
    for _ in range(5):
        assert latest() is Condition.OK
    assert time.monotonic() - begun < 0.5
    held = False
    released.set()
    assert eventually(lambda: latest() is Condition.FOREIGN, 5)


def test_a_check_that_fails_keeps_the_last_result() -> None:
    results = iter([Condition.OK])  # the second check raises StopIteration
    latest = BackgroundResult(lambda: next(results), every=0.0, first_wait=5).latest
    for _ in range(3):
        assert latest() is Condition.OK


def test_checks_run_at_intervals() -> None:
    runs: list[int] = []

    def check() -> Condition:
        runs.append(1)
        return Condition.OK

    source = BackgroundResult(check, every=60.0)
    for _ in range(5):
        source.latest()
    assert runs == [1]


def test_an_urgent_check_runs_before_its_time() -> None:
    urgent, results = [False], iter(Condition)
    source = BackgroundResult(
        lambda: next(results), every=60.0, first_wait=5, is_urgent=lambda: urgent[0]
    )
    assert source.latest() is source.latest() is Condition.OK
    urgent[0] = True
    assert eventually(lambda: source.latest() is not Condition.OK, 5)

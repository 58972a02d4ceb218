"""How long the supervisor waits before it starts a process again."""

import pytest

from cli.stack.processes import Child
from cli.stack.roles import Stage
from cli.stack.stopping import POLITE
from cli.stack.supervised_process import LONGEST_DELAY, STEADY, Charge


def never() -> Child:
    raise AssertionError("nothing is started here")


@pytest.fixture
def charge() -> Charge:
    return Charge("worker", Stage.WORKER, never, POLITE, None, "127.0.0.1", "mark")


def test_the_wait_doubles_up_to_a_limit(charge: Charge) -> None:
    charge.started = float("inf")
    waits = [charge.bury() for _ in range(12)]
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == LONGEST_DELAY


def test_a_process_that_was_steady_is_forgiven(
    charge: Charge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    charge.ends = 7
    charge.started = 1000.0 - STEADY - 1
    assert charge.bury() == 0.5
    assert charge.next_start == 1000.5

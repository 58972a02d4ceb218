"""The delay before a process is restarted."""

import pytest

from cli.stack.processes.child_process import ChildProcess
from cli.stack.processes.stopping import TERM_THEN_KILL, StopOrder
from cli.stack.supervision.supervised_process import (
    MAX_RESTART_DELAY,
    MAX_SERVER_DELAY,
    STABLE_AFTER,
    SupervisedProcess,
)


def never() -> ChildProcess:
    raise AssertionError("nothing is started here")


@pytest.fixture
def process() -> SupervisedProcess:
    return SupervisedProcess(
        "worker", StopOrder.WORKER, never, TERM_THEN_KILL, None, "127.0.0.1", "mark"
    )


def test_the_restart_delay_doubles_up_to_a_limit(process: SupervisedProcess) -> None:
    process.started = float("inf")
    waits = [process.schedule_restart() for _ in range(12)]
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == MAX_RESTART_DELAY


def test_a_server_is_never_away_for_long(process: SupervisedProcess) -> None:
    """On a full disk PostgreSQL ends at every start, until there is space again."""
    process.stop_order = StopOrder.SERVER
    process.started = float("inf")
    assert max(process.schedule_restart() for _ in range(12)) == MAX_SERVER_DELAY <= 2.0


def test_the_restart_delay_is_short_after_a_stable_time(
    process: SupervisedProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    process.exits = 7
    process.started = 1000.0 - STABLE_AFTER - 1
    assert process.schedule_restart() == 0.5
    assert process.next_start == 1000.5

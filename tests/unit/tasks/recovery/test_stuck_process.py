"""The watch over a process: a stuck task, a worker without heartbeats, no false alarms."""

import subprocess
import sys

import pytest

from tasks.recovery.stuck_process import EXIT_STATUS, REACHABLE, SILENCE, ProcessWatch

LIMIT = 3


@pytest.fixture
def watch() -> ProcessWatch:
    return ProcessWatch(LIMIT, lambda: True)


def rounds(watch: ProcessWatch, count: int) -> list[str]:
    """Return the problems of some rounds."""
    return [problem for _ in range(count) if (problem := watch.problem())]


def test_a_task_over_its_limit_is_a_problem_that_names_it(watch: ProcessWatch) -> None:
    watch.task_begins("id-1", "lookup.batch")
    assert not rounds(watch, LIMIT)
    [problem] = rounds(watch, 1)
    assert "lookup.batch" in problem
    assert "id-1" in problem


def test_many_short_tasks_are_no_problem(watch: ProcessWatch) -> None:
    for number in range(3 * LIMIT):
        watch.task_begins(str(number), "lookup.batch")
        assert not rounds(watch, LIMIT)
        watch.task_ended(str(number))


def test_the_runs_of_one_message_are_counted_separately(watch: ProcessWatch) -> None:
    """A retry has the task id of the first run."""
    for _ in range(3):
        watch.task_begins("id-1", "submission.score")
        assert watch.rounds_of("id-1") == 0
        assert not rounds(watch, LIMIT)
        assert watch.rounds_of("id-1") == LIMIT
        watch.task_ended("id-1")
    assert watch.rounds_of("id-1") == 0


def test_one_stuck_task_beside_others_is_found(watch: ProcessWatch) -> None:
    """The pool ``threads`` runs several tasks at a time."""
    watch.task_begins("stuck", "lookup.background")
    for number in range(LIMIT):
        watch.task_begins(str(number), "lookup.batch")
        assert not rounds(watch, 1)
        watch.task_ended(str(number))
    assert "stuck" in rounds(watch, 1)[0]


def test_a_worker_without_heartbeats_is_stuck_if_redis_replies(watch: ProcessWatch) -> None:
    watch.heartbeat_sent()
    assert not rounds(watch, SILENCE)
    assert rounds(watch, 2)


def test_a_worker_without_heartbeats_waits_for_redis() -> None:
    """It needs some time to connect after Redis is back."""
    replies = False
    watch = ProcessWatch(LIMIT, lambda: replies)
    watch.heartbeat_sent()
    assert not rounds(watch, 10 * SILENCE)
    replies = True
    assert not rounds(watch, REACHABLE)
    assert rounds(watch, 1)


def test_heartbeats_are_watched_from_the_first_one_until_the_worker_ends(
    watch: ProcessWatch,
) -> None:
    assert not rounds(watch, 3 * SILENCE)
    watch.heartbeat_sent()
    watch.worker_ends()
    assert not rounds(watch, 3 * SILENCE)


def test_a_stuck_process_tells_where_it_is_and_ends() -> None:
    """It ends even while another thread waits for ever."""
    program = """
import threading
from tasks.recovery import stuck_process
threading.Timer(0.1, stuck_process.end_process, ("the task x exceeds its time limit",)).start()
threading.Event().wait()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == EXIT_STATUS
    assert "the task x exceeds its time limit" in done.stdout + done.stderr
    assert 'File "<string>", line 5' in done.stderr

"""Ends a worker process that is stuck, so that it is started again.

The broker then delivers the message of its task to another worker. Celery ends a task at
``task_time_limit`` only with the pool ``prefork``. A worker of another pool waits for a stuck call
for ever, and so does the main process of a worker.

A thread watches, in each process that runs tasks and in the main process of each worker:

* the tasks: the process ends if a task runs for longer than ``task_time_limit``
* the heartbeats: the process ends if it has sent none for `SILENCE` seconds although Redis has
  replied for `REACHABLE` seconds, so that the worker could have connected again

The thread counts its own rounds, not the time. A process that was suspended or got no CPU time is
not stuck.
"""

import faulthandler
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from celery import signals
from redis.exceptions import RedisError

from pipeline.runtime.links.connection_limits import REDIS_REQUEST
from pipeline.runtime.periodic_thread import PeriodicThread
from pipeline.runtime.processes import PerProcess
from pipeline.runtime.redis_client import connect as connect_redis
from pipeline.settings.load import load_settings
from tasks.application import app

ROUND: Final = 1.0
"""Seconds between two rounds."""

GRACE: Final = 2
"""Rounds after the time limit of a task, in which the pool ``prefork`` ends the task itself."""

SILENCE: Final = 30
"""Rounds without a heartbeat after which a worker may be stuck. It sends one every 2 s."""

REACHABLE: Final = 15
"""Rounds in a row in which Redis must have replied before a silent worker counts as stuck."""

EXIT_STATUS: Final = 70
"""The exit status of a process that was stuck (``EX_SOFTWARE``)."""

LOG_TIME: Final = 5.0
"""Maximum seconds to write the log message. The log may be stuck too."""

logger = structlog.get_logger("acoustid.tasks.recovery.stuck_process")


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One run of a task. Another run of the same message, with the same id, is not equal."""

    task: str


class ProcessWatch:
    """Counts for how many rounds each task has run, and a worker has sent no heartbeat.

    Args:
        limit: maximum number of rounds of a task.
        is_reachable: returns whether Redis replies.
    """

    def __init__(self, limit: int, is_reachable: Callable[[], bool]) -> None:
        self._limit = limit
        self._is_reachable = is_reachable
        self._running: dict[str, _Run] = {}  # by task id; changed by the threads of the tasks
        self._rounds: dict[_Run, int] = {}
        self._silence: int | None = None
        self._is_ending = False
        self._reachable = 0

    def task_begins(self, task_id: str, name: str) -> None:
        """Watch a task."""
        self._running[task_id] = _Run(name)

    def task_ended(self, task_id: str) -> None:
        """Watch a task no longer."""
        self._running.pop(task_id, None)

    def rounds_of(self, task_id: str) -> int:
        """Return for how many rounds a task runs; 0 if it does not run."""
        run = self._running.get(task_id)
        return 0 if run is None else self._rounds.get(run, 0)

    def heartbeat_sent(self) -> None:
        """Watch the heartbeats from now on."""
        self._silence = 0

    def worker_ends(self) -> None:
        """Watch the heartbeats no longer; a worker that ends sends none."""
        self._is_ending = True

    def problem(self) -> str | None:
        """Count a round; return why the process is stuck, None if it is not."""
        running = dict(self._running)
        self._rounds = {run: self._rounds.get(run, 0) + 1 for run in running.values()}
        for task_id, run in running.items():
            if self._rounds[run] > self._limit:
                return f"the task {run.task} exceeds its time limit (id {task_id})"
        if running or self._is_ending or self._silence is None:
            return None
        self._silence += 1
        return self._heartbeat_problem(self._silence)

    def _heartbeat_problem(self, silence: int) -> str | None:
        if silence <= SILENCE - REACHABLE:
            self._reachable = 0
            return None
        self._reachable = self._reachable + 1 if self._is_reachable() else 0
        if silence > SILENCE and self._reachable > REACHABLE:
            return "the worker sends no heartbeat, and Redis replies"
        return None


def connect() -> None:
    """Connect the handlers. A second call changes nothing."""
    signals.task_prerun.connect(_task_begins)
    signals.task_postrun.connect(_task_ended)
    signals.heartbeat_sent.connect(_heartbeat_sent)
    signals.worker_shutting_down.connect(_worker_ends)


def rounds_of(task_id: str) -> int:
    """Return for how many seconds a task runs in this process, without times of suspension."""
    return _process_watch.get().rounds_of(task_id)


def end_process(problem: str) -> None:
    """Log why the process is stuck and where each thread is, then end it."""
    with Path(os.devnull).open("w") as nowhere:
        # The process ends even if the log is stuck.
        faulthandler.dump_traceback_later(LOG_TIME, exit=True, file=nowhere)
        logger.critical(
            "this process is stuck and ends, so that it is started again", reason=problem
        )
        faulthandler.dump_traceback(file=sys.__stderr__ or nowhere)
        os._exit(EXIT_STATUS)


def _start() -> ProcessWatch:
    made = ProcessWatch(int(app.conf.task_time_limit) + GRACE, _replies)
    PeriodicThread("process-watch", lambda: _run_round(made), ROUND)
    return made


def _run_round(watch: ProcessWatch) -> None:
    problem = watch.problem()
    if problem is not None:
        end_process(problem)


def _replies() -> bool:
    try:
        return bool(_redis.get().ping())
    except RedisError:
        return False


_process_watch: Final = PerProcess(_start)
_redis: Final = PerProcess(lambda: connect_redis(load_settings().redis, limits=REDIS_REQUEST))


def _task_begins(task_id: str, task: Any, **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    _process_watch.get().task_begins(task_id, task.name)


def _task_ended(task_id: str, **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    _process_watch.get().task_ended(task_id)


def _heartbeat_sent(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    _process_watch.get().heartbeat_sent()


def _worker_ends(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    _process_watch.get().worker_ends()

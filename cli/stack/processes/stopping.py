"""Stops processes in an order, each with a sequence of signals from SIGTERM to SIGKILL.

The time that a Celery worker has after SIGQUIT is `worker_soft_shutdown_timeout` in
`celeryconfig.py`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from signal import Signals
from typing import Protocol

from cli.stack.processes.waiting import Pause

Escalation = Sequence[tuple[Signals, float]]
"""Signals in their order, each with the seconds to wait for the process to end."""

URGENT_WAIT = 1.0
"""Seconds that replace each wait of an escalation when the stop is urgent."""

URGENT_RETURN = 12.0
"""Seconds after SIGQUIT instead: Celery returns running tasks to the queue, PostgreSQL ends."""

WARM_SHUTDOWN: Escalation = (
    (Signals.SIGTERM, 30.0),  # Celery finishes its running tasks
    (Signals.SIGQUIT, 12.0),  # Celery waits briefly, then returns running tasks to the queue
    (Signals.SIGKILL, 5.0),
)
SHORT_TERM_THEN_KILL: Escalation = ((Signals.SIGTERM, 15.0), (Signals.SIGKILL, 5.0))
WITHOUT_DRAINING: Escalation = ((Signals.SIGINT, 15.0), (Signals.SIGKILL, 5.0))
"""Stops a front end at once: `[api] drain_time` does not apply."""

TERM_THEN_KILL: Escalation = ((Signals.SIGTERM, 30.0), (Signals.SIGKILL, 5.0))


KILL: Escalation = ((Signals.SIGKILL, 5.0),)
"""Stops a process at once, so that it writes nothing more."""


def after_draining(seconds: float) -> Escalation:
    """Return the signals for a front end that serves for some seconds after SIGTERM.

    The second signal ends this time. It is sent early if the stop is urgent.
    """
    if not seconds:
        return SHORT_TERM_THEN_KILL
    (term, wait), *others = SHORT_TERM_THEN_KILL
    return ((term, wait + seconds), (Signals.SIGINT, wait), *others)


class StopOrder(IntEnum):
    """The order in which processes stop: senders of tasks first, then workers, then servers."""

    FRONT_END = 0
    BEAT = 1
    FLOWER = 2
    WORKER = 3
    SERVER = 4


class StoppableProcess(Protocol):
    """A child process or a stray process."""

    def runs(self) -> bool:
        """Return whether the process still runs."""

    def send(self, number: Signals) -> None:
        """Send a signal if the process still runs."""


@dataclass
class _Stop:
    """A process that is being stopped, and the signals that were not sent to it yet."""

    process: StoppableProcess
    signals: list[tuple[Signals, float]]
    deadline: float = 0.0
    urgent_wait: float = URGENT_WAIT

    def proceed(self, *, is_urgent: bool) -> bool:
        """Send the next signal when the last wait is over; return False if none is left."""
        now = time.monotonic()
        if is_urgent:
            self.deadline = min(self.deadline, now + self.urgent_wait)
        if now < self.deadline:
            return True
        if not self.signals:
            return False
        number, seconds = self.signals.pop(0)
        self.process.send(number)
        self.process.send(Signals.SIGCONT)  # a stopped process gets the other signal only then
        self.deadline = now + seconds
        self.urgent_wait = URGENT_RETURN if number is Signals.SIGQUIT else URGENT_WAIT
        return True


def stop_processes(
    processes: Sequence[tuple[StoppableProcess, Escalation]],
    pause: Pause = time.sleep,
    is_urgent: Callable[[], bool] = lambda: False,
) -> None:
    """Stop processes at the same time; return when all have ended or have got all signals.

    Args:
        processes: each process with its signals.
        pause: the function that waits.
        is_urgent: returns True to shorten the waits from now on.
    """
    stops = [_Stop(process, list(signals)) for process, signals in processes]
    while stops:
        urgent = is_urgent()
        stops = [each for each in stops if each.process.runs() and each.proceed(is_urgent=urgent)]
        if stops:
            pause(0.02)


def stop_process(
    process: StoppableProcess, escalation: Escalation = TERM_THEN_KILL, pause: Pause = time.sleep
) -> None:
    """Stop one process."""
    stop_processes([(process, escalation)], pause)

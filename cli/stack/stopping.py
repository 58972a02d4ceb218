"""Ends several processes together: politely first, then with more and more pressure."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from signal import Signals
from typing import Protocol

from cli.stack.processes import Pause

Escalation = Sequence[tuple[Signals, float]]
"""Signals to send one after the other, each with the seconds to wait for the end after it."""

HURRIED_WAIT = 1.0
"""Seconds that stand for each of an escalation's waits once there is a hurry."""

POLITE: Escalation = ((Signals.SIGTERM, 30.0), (Signals.SIGKILL, 5.0))


class Endable(Protocol):
    """A process that can be ended: a child of this one, or a stray one of ours."""

    def runs(self) -> bool:
        """Say whether it has not ended yet."""

    def send(self, number: Signals) -> None:
        """Send it a signal, if it still runs."""


@dataclass
class _Ending:
    """One process on its way out."""

    process: Endable
    steps: list[tuple[Signals, float]]
    deadline: float = 0.0

    def press(self, *, hurried: bool) -> bool:
        """Send the next signal if the last one's time is over; False when there is no next."""
        now = time.monotonic()
        if hurried:
            self.deadline = min(self.deadline, now + HURRIED_WAIT)
        if now < self.deadline:
            return True
        if not self.steps:
            return False
        number, seconds = self.steps.pop(0)
        self.process.send(number)
        self.deadline = now + seconds
        return True


def end_together(
    processes: Sequence[tuple[Endable, Escalation]],
    pause: Pause = time.sleep,
    hurry: Callable[[], bool] = lambda: False,
) -> None:
    """End processes at the same time and return when all have ended.

    Args:
        processes: each with the signals that it gets.
        pause: how to wait.
        hurry: says whether the waits should be cut short.
    """
    endings = [_Ending(process, list(steps)) for process, steps in processes]
    while endings:
        hurried = hurry()
        endings = [each for each in endings if each.process.runs() and each.press(hurried=hurried)]
        if endings:
            pause(0.02)


def end(process: Endable, escalation: Escalation = POLITE) -> None:
    """End one process."""
    end_together([(process, escalation)])

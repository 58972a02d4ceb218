"""A process that the supervisor keeps running, through all its lives."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cli.stack.processes import Child, Identity
from cli.stack.roles import Stage
from cli.stack.run_state import Running
from cli.stack.stopping import Escalation

LONGEST_DELAY = 30.0
"""Most seconds between the end of a process and its next start."""

STEADY = 60.0
"""Seconds of life after which earlier ends of a process are forgiven."""


@dataclass
class Charge:
    """One process that the supervisor keeps running.

    Attributes:
        start: starts it once more.
        port: where it listens, None for nowhere.
        host: the address on which it does.
        mark: what proves a process to be this one, see `Identity`.
        child: the process, None between two of them.
        ends: how often it ended by itself since it last was steady.
        started: when `child` started, by the monotonic clock.
        next_start: when to start it again, by the same clock.
    """

    name: str
    stage: Stage
    start: Callable[[], Child]
    escalation: Escalation
    port: int | None
    host: str
    mark: str
    child: Child | None = None
    ends: int = 0
    started: float = 0.0
    next_start: float = 0.0

    def adopt(self, child: Child) -> None:
        """Take note of a process that has just started."""
        self.child = child
        self.started = time.monotonic()

    def bury(self) -> float:
        """Take note of the end of the process; return the seconds until its next start."""
        now = time.monotonic()
        self.ends = 1 if now - self.started > STEADY else self.ends + 1
        delay = min(LONGEST_DELAY, 0.5 * 2.0 ** (self.ends - 1))
        self.child = None
        self.next_start = now + delay
        return delay

    def as_running(self) -> Running | None:
        """Return what ``run.json`` keeps of it, None while it is down."""
        if self.child is None:
            return None
        identity = Identity(self.child.pid, self.child.created, self.mark)
        return Running(self.name, self.stage, self.port, self.host, identity)

"""The signals of a stop, and the time between them."""

from signal import Signals
from types import SimpleNamespace

import pytest

from cli.stack.processes import stopping
from cli.stack.processes.stopping import WARM_SHUTDOWN, stop_processes

SOFT_SHUTDOWN = 8.0  # `worker_soft_shutdown_timeout`


class Obstinate:
    """A process that never ends, and notes when it gets a signal."""

    def __init__(self) -> None:
        self.now = 0.0
        self.signals: list[tuple[Signals, float]] = []

    def runs(self) -> bool:
        return True

    def send(self, number: Signals) -> None:
        if number is not Signals.SIGCONT:
            self.signals.append((number, self.now))

    def pause(self, seconds: float) -> None:
        self.now += seconds


def test_an_urgent_stop_lets_a_worker_return_its_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Obstinate()
    monkeypatch.setattr(stopping, "time", SimpleNamespace(monotonic=lambda: process.now))
    stop_processes([(process, WARM_SHUTDOWN)], process.pause, is_urgent=lambda: True)
    [(term, _), (quit_, asked), (kill, killed)] = process.signals
    assert (term, quit_, kill) == (Signals.SIGTERM, Signals.SIGQUIT, Signals.SIGKILL)
    assert asked < 1.5
    assert killed - asked > SOFT_SHUTDOWN + 3  # a busy worker needs some seconds more

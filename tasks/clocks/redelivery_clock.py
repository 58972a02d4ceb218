"""The clock by which kombu delivers the messages of a lost worker again.

kombu stores in Redis when a worker took a message, and each worker compares these times with its
own clock. If the clock of one host differs by the visibility timeout, running messages are
delivered again within a second. So workers use the clock of Redis for both.

kombu has no setting for this clock: its class `QoS` reads the name `time` of its module. A subclass
would repeat two of its methods, so the name is replaced. Only workers do this; a process that only
publishes stores no such time.
"""

from collections.abc import Callable
from typing import Any

from kombu.transport import redis as transport

from tasks.worker_resources import worker_resources


def use_shared_clock(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments of a signal
    """Make kombu read the clock of Redis in this process and its children."""
    use_clock(_shared_time)


def use_clock(now: Callable[[], float]) -> None:
    """Make kombu read a clock, in seconds since the epoch."""
    transport.time = now  # type: ignore[attr-defined] # the name is imported there


def _shared_time() -> float:
    return worker_resources().clock.now()  # of this process: its parent has other resources

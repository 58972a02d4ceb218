"""The deadline of the request or the task that a thread works on.

A function that waits for a server can read it without a parameter in each call.
"""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

_deadline: ContextVar[float] = ContextVar("acoustid_deadline", default=math.inf)


def set_deadline(deadline: float) -> None:
    """Set the deadline of this thread until the next call, on the monotonic clock."""
    _deadline.set(deadline)


def current_deadline() -> float:
    """Return the deadline of this thread on the monotonic clock; infinity if it has none."""
    return _deadline.get()


def seconds_left() -> float:
    """Return the seconds until the deadline, negative after it; infinity without one."""
    return _deadline.get() - time.monotonic()


@contextmanager
def ends_by(deadline: float) -> Iterator[None]:
    """Set the deadline of this thread for a block; an earlier deadline stays.

    Args:
        deadline: time on the monotonic clock.
    """
    token = _deadline.set(min(deadline, _deadline.get()))
    try:
        yield
    finally:
        _deadline.reset(token)


def ends_within(seconds: float) -> AbstractContextManager[None]:
    """Set the deadline of this thread for a block to some seconds from now, as `ends_by` does."""
    return ends_by(time.monotonic() + seconds)

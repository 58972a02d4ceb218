"""The trace id: one name for a request through the front end, the tasks and the logs.

It is the Base32 form of a random UUID (version 4) without padding: 26 characters of ``A-Z2-7``.
Celery messages carry it in a header, so that each stage can bind it again.
"""

import base64
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TRACE_ID: ContextVar[str | None] = ContextVar("acoustid_trace_id", default=None)


def new_trace_id() -> str:
    """Return a fresh trace id of 26 characters."""
    return base64.b32encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")


def current_trace_id() -> str | None:
    """Return the trace id bound to this thread or task, None outside any."""
    return _TRACE_ID.get()


def bind_trace_id(trace_id: str | None = None) -> str:
    """Bind a trace id, a new one by default, until `clear_trace_id`; return it."""
    bound = trace_id or new_trace_id()
    _TRACE_ID.set(bound)
    return bound


def clear_trace_id() -> None:
    """Forget the bound trace id."""
    _TRACE_ID.set(None)


@contextmanager
def trace(trace_id: str | None = None) -> Iterator[str]:
    """Bind a trace id for the time of a ``with`` block, then restore what was bound before."""
    bound = trace_id or new_trace_id()
    token = _TRACE_ID.set(bound)
    try:
        yield bound
    finally:
        _TRACE_ID.reset(token)

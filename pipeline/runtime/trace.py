"""The trace id, which identifies a request in the logs of the front end and of its tasks.

It is a random UUID (version 4) in Base32 without padding: 26 characters of ``A-Z2-7``. A header of
the Celery messages carries it, and each stage binds it again.
"""

import base64
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TRACE_ID: ContextVar[str | None] = ContextVar("acoustid_trace_id", default=None)


def new_trace_id() -> str:
    """Return a new trace id of 26 characters."""
    return base64.b32encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")


def current_trace_id() -> str | None:
    """Return the trace id that is bound in this thread or task; None if there is none."""
    return _TRACE_ID.get()


def bind_trace_id(trace_id: str | None = None) -> str:
    """Bind a trace id, a new one by default, until `clear_trace_id`; return it."""
    bound = trace_id or new_trace_id()
    _TRACE_ID.set(bound)
    return bound


def clear_trace_id() -> None:
    """Unbind the trace id."""
    _TRACE_ID.set(None)


@contextmanager
def trace(trace_id: str | None = None) -> Iterator[str]:
    """Bind a trace id for a ``with`` block, and restore the previous one afterwards."""
    bound = trace_id or new_trace_id()
    token = _TRACE_ID.set(bound)
    try:
        yield bound
    finally:
        _TRACE_ID.reset(token)

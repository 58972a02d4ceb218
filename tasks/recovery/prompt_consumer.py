"""Celery's consumer of messages: it connects soon after an outage, and notes what it cancels.

kombu waits longer after each failed attempt, up to 30 s. The pauses are arguments of
`ensure_connection`, a method of the connection. Celery has no setting for them, and its method that
calls it also writes the log message of each attempt. So the arguments are bound to the connection.
"""

from functools import partial
from typing import Any, Final

from celery.worker.consumer import Consumer
from celery.worker.state import active_requests

from tasks.outcomes.submission_task import SubmissionTask

PAUSE: Final = 1.0
"""Seconds between two attempts to connect."""


class PromptConsumer(Consumer):
    """A consumer that connects again within seconds after the broker is back."""

    def ensure_connected(self, conn: Any) -> Any:  # noqa: ANN401 - kombu's connection
        """Return the connection when it is open."""
        conn.ensure_connection = partial(
            conn.ensure_connection, interval_start=PAUSE, interval_step=0, interval_max=PAUSE
        )
        return super().ensure_connected(conn)

    def cancel_active_requests(self) -> None:
        """Kill the processes of running tasks when the worker stops; their messages go back.

        Celery tells a task of this (`on_retry`) only if it is acknowledged early.
        """
        running = tuple(active_requests)
        super().cancel_active_requests()
        for request in running:
            if isinstance(request.task, SubmissionTask):
                request.task.end_cancelled(request.id, request.args)

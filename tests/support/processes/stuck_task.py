"""The Celery application with a task that waits for ever, and a short time limit.

``celery -A tests.support.processes.stuck_task worker -P solo`` ends a few seconds after the start
of the task. No test imports this module, since it changes a setting of its process.
"""

import threading

from tasks.celery import app

app.conf.task_time_limit = 2


@app.task(name="lookup.background.stuck")
def wait_for_ever() -> None:
    """Wait for an event that never happens."""
    threading.Event().wait()

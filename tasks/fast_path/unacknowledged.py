"""Lookups that are not acknowledged, since nobody waits for the broker to send them again.

Redis has no acknowledgement, so kombu copies a message that a worker takes, and deletes the copy
when the task has ended. A queue that is declared with ``no_ack`` has no copies. Celery acknowledges
its messages all the same. That sends a transaction that deletes nothing, and kombu keeps the
message's tag in a set. It clears the set only when it takes a message that it copies. A worker of
lookups alone takes none, so the set would grow without limit.
"""

from celery.worker.request import Request

from tasks.fast_path.paths import FastPath
from tasks.worker import services


class UnacknowledgedRequest(Request):
    """A worker's request of a lookup, which may have nothing to acknowledge."""

    def acknowledge(self) -> None:
        """Acknowledge the message, if the queue keeps a copy of it."""
        if FastPath.of(services().settings).acknowledges:
            super().acknowledge()

"""Lookups that are not acknowledged, since nobody waits for the broker to send them again.

Redis has no acknowledgement, so kombu copies a message that a worker takes, and deletes the copy
when the task has ended. A queue that is declared with ``no_ack`` has no copies. Celery acknowledges
its messages all the same, which sends a transaction that deletes nothing, and leaves the message's
tag behind in a set that grows for as long as the worker lives: kombu empties it when it takes a
message that it copies, and of these there are none.
"""

from celery.worker.request import Request

from tasks.fast_path.paths import FastPath
from tasks.services import services


class LookupRequest(Request):
    """A worker's request of a lookup, which may have nothing to acknowledge."""

    def acknowledge(self) -> None:
        """Acknowledge the message, if the queue keeps a copy of it."""
        if FastPath.of(services().settings).acknowledges:
            super().acknowledge()

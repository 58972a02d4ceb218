"""A worker's events, gathered for a moment: what Flower is told in one message costs one message.

Celery sends the events of a task as soon as the task has ended. A worker that answers fifty batches
of lookups a second then spends a sixth of its time on telling so, and Flower more than the worker.
"""

import os
from typing import Any, ClassVar, Final

from celery import bootsteps

MOMENT: Final = 0.1
"""Seconds that an event waits for others, at most."""

MOST: Final = 1000
"""Events that are gathered, at most."""

_dispatchers: dict[int, Any] = {}


class GatherEvents(bootsteps.StartStopStep):
    """The part of a worker's consumer that delays the sending of its events.

    A pool of processes runs tasks in others than this one; they send events of their own.
    """

    requires: ClassVar = ("celery.worker.consumer.events:Events",)

    def start(self, consumer: Any) -> None:  # noqa: ANN401 - Celery's consumer of messages
        """Gather what is sent from now on; called anew after each loss of the connection."""
        dispatcher = consumer.event_dispatcher
        _dispatchers[os.getpid()] = dispatcher
        if consumer.hub is None:  # nothing would wake up to send
            return
        waiting = False

        def flush() -> None:
            nonlocal waiting
            waiting = False
            dispatcher.flush()

        def send_soon() -> None:
            nonlocal waiting
            if not waiting:
                waiting = True
                consumer.hub.call_later(MOMENT, flush)

        dispatcher.buffer_limit = MOST
        dispatcher.on_send_buffered = send_soon

    def stop(self, consumer: Any) -> None:  # noqa: ANN401 - Celery's consumer of messages
        """Send what has been gathered; the connection is about to be closed."""
        _dispatchers.pop(os.getpid(), None)
        if consumer.event_dispatcher is not None:
            consumer.event_dispatcher.flush()


def own_dispatcher() -> Any:  # noqa: ANN401 - Celery's dispatcher of events
    """Return what sends this process's events, None in a process of a pool."""
    return _dispatchers.get(os.getpid())

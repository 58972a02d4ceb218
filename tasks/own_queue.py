"""The queue of one worker's own, beside the one that all workers of lookups serve.

Redis serves those who wait in turn, so a lone client's lookups would visit one worker after the
other, each of which has gone cold since. A front end that knows who answered last can ask it again.
"""

from typing import Final

from celery.app.amqp import Queues
from kombu import Exchange, Queue  # type: ignore[attr-defined]

from tasks.queues import LOOKUP

PREFIX: Final = f"{LOOKUP}."

_served: list[str] = []  # of this process, whose children are the same worker


def serve(queues: Queues, node: str) -> None:
    """Let a worker that serves lookups serve a queue of its own as well.

    Args:
        queues: of the worker.
        node: its name, which no other worker has.
    """
    if LOOKUP in queues.consume_from:
        name = PREFIX + node
        queues.select_add(_queue(name))
        _served[:] = [name]


def name() -> str:
    """Return the name of this worker's own queue, empty where it has none."""
    return _served[0] if _served else ""


def _queue(name: str) -> Queue:
    exchange = Exchange(name)  # type: ignore[no-untyped-call]
    return Queue(name, exchange, routing_key=name, no_ack=True)  # type: ignore[no-untyped-call]

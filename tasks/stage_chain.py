"""Publishes a chain of stages: one task for each, with the result of the one before it."""

from collections.abc import Sequence

import celery

from tasks.application import app


def send_chain(stages: Sequence[str], argument: object, summary: str) -> None:
    """Publish a chain of tasks.

    Args:
        stages: the names of the tasks, in order.
        argument: the argument of the first task.
        summary: what Flower shows for this argument.

    Raises:
        kombu.exceptions.OperationalError: the broker is unreachable.
    """
    first, *others = stages
    options = {"argsrepr": summary, "ignore_result": True}
    begin = app.signature(first, args=(argument,), options=options)
    celery.chain(begin, *map(app.signature, others)).apply_async()

"""Shows stages that ran inside another task as the tasks that they would else have been.

A worker that goes on with the next stages of a chain by itself saves their messages, and with
them Flower would lose sight of the stages. So their events are sent as if they had come one by
one, all of a batch in one message.
"""

import os
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import uuid4

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

GROUP: Final = "task"
"""Celery's word for the kind of these events; those of a kind travel together."""

_consumers: dict[int, Any] = {}

logger = structlog.get_logger("acoustid.tasks.events")


class StageRun(NamedTuple):
    """A stage that ran.

    Attributes:
        name: of its task.
        seconds: that it took.
    """

    name: str
    seconds: float


def show_stages(
    app: Celery,
    request: Any,  # noqa: ANN401 - Celery's context of a task
    shown: str,
    stages: Sequence[StageRun],
) -> None:
    """Send what a worker sends of each task, but that it has started: received, succeeded.

    Args:
        app: the application, which may want no events.
        request: of the task that ran the stages.
        shown: what the stages were given, in a word.
        stages: in their order; each is shown as called by the one before.
    """
    if not stages or not app.conf.worker_send_task_events:
        return
    consumer = _consumers.get(os.getpid())
    if consumer is not None and consumer.event_dispatcher is not None:
        # The worker sends what it gathers once the task has ended.
        _send(consumer.event_dispatcher, request, shown, stages)
        return
    try:
        with app.amqp.producer_pool.acquire(block=True) as producer:
            dispatcher = app.events.Dispatcher(
                producer.connection,
                hostname=request.hostname,
                channel=producer.channel,
                buffer_while_offline=False,
                buffer_group={GROUP},
            )
            _send(dispatcher, request, shown, stages)
            dispatcher.flush(errors=False)
    except (OperationalError, OSError) as error:
        logger.warning("stages are not shown: the broker is away", error=type(error).__name__)


def attach(consumer: Any) -> None:  # noqa: ANN401 - Celery's consumer of messages
    """Send further events of this process as its worker sends its own.

    A worker whose pool is of processes runs no task in this one; its children send by themselves.
    """
    _consumers[os.getpid()] = consumer


def _send(dispatcher: Any, request: Any, shown: str, stages: Sequence[StageRun]) -> None:  # noqa: ANN401
    parent = request.id
    for stage in stages:
        uuid = str(uuid4())
        dispatcher.send(
            "task-received",
            uuid=uuid,
            name=stage.name,
            args=shown,
            kwargs="{}",
            root_id=request.root_id or request.id,
            parent_id=parent,
            retries=0,
            eta=None,
            expires=None,
        )
        dispatcher.send("task-succeeded", uuid=uuid, result="None", runtime=stage.seconds)
        parent = uuid

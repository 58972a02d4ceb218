"""Shows stages that ran inside another task as the tasks that they would else have been.

A worker that goes on with the next stages of a chain by itself saves their messages, and with
them Flower would lose sight of the stages. So their events are sent as if they had come one by
one, all of a batch in one message.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import uuid4

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from tasks.worker_events import own_dispatcher

GROUP: Final = "task"
"""Celery's word for the kind of these events; those of a kind travel together."""

logger = structlog.get_logger("acoustid.tasks.events")


class StageRun(NamedTuple):
    """A stage that ran.

    Attributes:
        name: of its task.
        begun: when, in seconds since the epoch.
        seconds: that it took.
    """

    name: str
    begun: float
    seconds: float


def show_stages(
    app: Celery,
    request: Any,  # noqa: ANN401 - Celery's context of a task
    shown: str,
    stages: Sequence[StageRun],
) -> None:
    """Send of each task that it has succeeded, with all that a worker tells when it receives one.

    Args:
        app: the application, which may want no events.
        request: of the task that ran the stages.
        shown: what the stages were given, in a word.
        stages: in their order; each is shown as called by the one before.
    """
    if not stages or not app.conf.worker_send_task_events:
        return
    own = own_dispatcher()
    if own is not None:
        _send(own, request, shown, stages)
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


def _send(dispatcher: Any, request: Any, shown: str, stages: Sequence[StageRun]) -> None:  # noqa: ANN401
    parent = request.id
    for stage in stages:
        uuid = str(uuid4())
        dispatcher.send(
            "task-succeeded",
            uuid=uuid,
            name=stage.name,
            args=shown,
            kwargs="{}",
            root_id=request.root_id or request.id,
            parent_id=parent,
            retries=0,
            received=stage.begun,
            started=stage.begun,
            result="None",
            runtime=stage.seconds,
        )
        parent = uuid

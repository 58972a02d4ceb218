"""How the front end and the command line hand work to the workers."""

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import uuid4

from pipeline.stages.messages import LookupBatch, to_message
from tasks import lookup, submission
from tasks.celery import app


def send_lookups(batch: LookupBatch) -> None:
    """Publish one chain for a batch of lookups; its reply goes to `batch.reply_to`.

    No stage is begun after the batch's deadline.

    Raises:
        kombu.exceptions.OperationalError: the broker is away.
    """
    # What `celery.chain` and `apply_async` would publish, put together by the same functions. What
    # they do on top takes longer than the publishing: ids for all tasks, options from four places,
    # a result that nobody asks for.
    name = lookup.validate.name
    message = app.amqp.create_task_message(
        str(uuid4()),
        name,
        (to_message(batch),),
        chain=_following(),
        ignore_result=True,
        argsrepr=f"({len(batch.lookups)} lookups: {_STAGES})",
        kwargsrepr="{}",
    )
    with app.amqp.producer_pool.acquire(block=True) as producer:
        # A queue in Redis comes with its first message: there is nothing to declare.
        app.amqp.send_task_message(producer, name, message, queue=_QUEUE, declare=())


@cache
def _following() -> list[dict[str, Any]]:
    """Return the stages after the first, as a message carries them: the next one last."""
    stages = (lookup.dedupe, lookup.score, lookup.describe)
    return [dict(stage.s()) for stage in reversed(stages)]


_STAGES = " → ".join(name.removeprefix("lookup.") for name in lookup.STAGES)
_QUEUE = "lookup"


def send_submissions(submission_ids: Sequence[int]) -> None:
    """Publish one chain for receipts, of one request or of several.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; the sweeper does it later.
    """
    submission.send(submission_ids)

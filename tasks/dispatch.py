"""How the front end and the command line hand work to the workers."""

from collections.abc import Sequence

from celery import chain

from pipeline.stages.messages import LookupBatch, to_message
from tasks import lookup, submission


def send_lookups(batch: LookupBatch) -> None:
    """Publish one chain for a batch of lookups; its reply goes to `batch.reply_to`.

    No stage is begun after the batch's deadline.

    Raises:
        kombu.exceptions.OperationalError: the broker is away.
    """
    stages = (
        lookup.validate.s(to_message(batch)),
        lookup.dedupe.s(),
        lookup.score.s(),
        lookup.reply.s(),
    )
    chain(*(stage.set(expires=batch.deadline) for stage in stages)).apply_async()


def send_submissions(submission_ids: Sequence[int]) -> None:
    """Publish one chain for receipts, of one request or of several.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; the sweeper does it later.
    """
    submission.send(submission_ids)

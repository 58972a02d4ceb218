"""How the front end and the command line hand work to the workers."""

from collections.abc import Sequence

from pipeline.runtime.redis_line import RedisLine
from pipeline.stages.messages import BackgroundLookup, LookupBatch
from tasks import background, lookup, queues, submission
from tasks.lookup_message import lookup_message
from tasks.services import services


def send_lookups(line: RedisLine, batch: LookupBatch) -> None:
    """Publish one chain for a batch of lookups, to any worker or the one that it names.

    Its reply goes to `batch.reply_to`.

    No stage is begun after the batch's deadline.

    Raises:
        redis.RedisError: the broker is away.
    """
    line.ask("LPUSH", batch.worker or queues.LOOKUP, lookup_message(batch))
    services().metrics.task_enqueued(lookup.validate.name)


def send_background(task_id: str, question: BackgroundLookup) -> None:
    """Publish a background lookup, whose record exists.

    Raises:
        kombu.exceptions.OperationalError: the broker is away.
    """
    background.send(task_id, question)


def send_submissions(submission_ids: Sequence[int]) -> None:
    """Publish one chain for receipts, of one request or of several.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; the sweeper does it later.
    """
    submission.send(submission_ids)

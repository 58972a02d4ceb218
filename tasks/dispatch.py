"""How the front end and the command line hand work to the workers."""

from collections.abc import Sequence

from pipeline.stages.messages import LookupBatch, to_message
from tasks import lookup, submission


def send_lookups(batch: LookupBatch) -> None:
    """Publish one chain for a batch of lookups; its reply goes to `batch.reply_to`.

    No stage is begun after the batch's deadline.

    Raises:
        kombu.exceptions.OperationalError: the broker is away.
    """
    # What `celery.chain` would publish. Composing that for every batch costs as much again as
    # sending it: it copies each signature, the fingerprints too, to give ids that nobody asks for.
    following = (lookup.dedupe, lookup.score, lookup.describe)
    lookup.validate.apply_async(
        (to_message(batch),),
        chain=[stage.s().set(expires=batch.deadline) for stage in reversed(following)],
        expires=batch.deadline,
        argsrepr=f"({len(batch.lookups)} lookups: {_STAGES})",
        kwargsrepr="{}",
    )


_STAGES = " → ".join(name.removeprefix("lookup.") for name in lookup.STAGES)


def send_submissions(submission_ids: Sequence[int]) -> None:
    """Publish one chain for receipts, of one request or of several.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; the sweeper does it later.
    """
    submission.send(submission_ids)

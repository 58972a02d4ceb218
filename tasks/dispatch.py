"""How the front end and the command line hand work to the workers."""

from collections.abc import Sequence

from pipeline.messages import BackgroundLookup, LookupBatch
from pipeline.runtime.processes import PerProcess
from tasks import background_lookup, submission
from tasks.fast_path.paths import FastPath
from tasks.fast_path.sender import LookupSender
from tasks.worker import services

_sender = PerProcess(lambda: LookupSender(FastPath.of(services().settings)))


def send_lookups(batch: LookupBatch) -> None:
    """Publish a batch of lookups; one thread at a time may.

    Its reply goes to `batch.reply_to`. No stage is begun after the batch's deadline.

    Raises:
        kombu.exceptions.OperationalError: the broker is away or refuses the message.
    """
    _sender.get().send(batch)


def send_background(task_id: str, question: BackgroundLookup) -> None:
    """Publish a background lookup, whose record exists.

    Raises:
        kombu.exceptions.OperationalError: the broker is away.
    """
    background_lookup.send(task_id, question)


def send_submissions(submission_ids: Sequence[int]) -> None:
    """Publish one chain for receipts, of one request or of several.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; the sweeper does it later.
    """
    submission.send(submission_ids)

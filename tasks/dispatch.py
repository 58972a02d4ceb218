"""Publishes tasks. The front end and the command line publish through this module only."""

from collections.abc import Sequence

from pipeline.messages import BackgroundLookup, LookupBatch
from pipeline.runtime.processes import PerProcess
from pipeline.settings.load import load_settings
from tasks import background_lookup, submission
from tasks.fast_path.lookup_sender import LookupSender
from tasks.fast_path.switches import FastPath

_lookup_sender = PerProcess(lambda: LookupSender(FastPath.of(load_settings())))


def send_lookups(batch: LookupBatch) -> None:
    """Publish a batch of lookups. Only one thread may call this at a time.

    A worker pushes the reply to the Redis list `batch.reply_to`. It starts no stage after
    `batch.deadline`.

    Raises:
        kombu.exceptions.OperationalError: the broker is unreachable or refuses the message.
    """
    _lookup_sender.get().send(batch)


def send_background(task_id: str, lookup: BackgroundLookup) -> None:
    """Publish a background lookup. Its record must exist already.

    Raises:
        kombu.exceptions.OperationalError: the broker is unreachable.
    """
    background_lookup.send(task_id, lookup)


def send_submissions(submission_ids: Sequence[int]) -> None:
    """Publish one chain of import tasks for submissions, which may be those of several requests.

    Raises:
        kombu.exceptions.OperationalError: the broker is unreachable. The task
            `maintenance.sweep_receipts` publishes the submissions later.
    """
    submission.send(submission_ids)

"""Publishes tasks by name. All lookups and submissions are published through this module."""

from collections.abc import Sequence

from pipeline.messages import BackgroundLookup, LookupBatch, to_message
from pipeline.runtime.processes import PerProcess
from pipeline.settings.load import load_settings
from pipeline.settings.sections import Settings
from tasks import queues, task_names
from tasks.application import app
from tasks.fast_path.lookup_sender import KeptProducer, LookupSender
from tasks.fast_path.switches import FastPath
from tasks.stage_chain import send_chain

_lookup_sender = PerProcess(lambda: LookupSender(FastPath.of(load_settings())))
_excerpt_sender = PerProcess(lambda: excerpt_sender(load_settings()))
_background = PerProcess(lambda: KeptProducer(app, queues.BACKGROUND, declares=True))


def send_lookups(batch: LookupBatch) -> None:
    """Publish a batch of lookups. Only one thread may call this at a time.

    A worker pushes the reply to the Redis list `batch.reply_to`. It starts no stage after
    `batch.deadline`.

    Raises:
        kombu.exceptions.OperationalError: the broker is unreachable or refuses the message.
    """
    _lookup_sender.get().send(batch)


def send_excerpts(batch: LookupBatch) -> None:
    """Publish a batch of excerpts, as `send_lookups` does. Only one thread may call this at a time.

    Raises:
        kombu.exceptions.OperationalError: the broker is unreachable or refuses the message.
    """
    _excerpt_sender.get().send(batch)


def excerpt_sender(settings: Settings) -> LookupSender:
    """Return a sender of batches of excerpts. It connects when it sends the first one."""
    queue = queues.queue_of_excerpts(settings.celery)
    return LookupSender(FastPath.of(settings), task_names.EXCERPT, queue)


def discard_connections() -> None:
    """Close the kept connections that are not in use, since their link may be dead."""
    _lookup_sender.get().discard_connection()
    _excerpt_sender.get().discard_connection()
    _background.get().discard_connection()


def send_background(task_id: str, lookup: BackgroundLookup) -> None:
    """Publish a background lookup. Its record must exist already.

    Raises:
        kombu.exceptions.OperationalError: the broker is unreachable. This takes a few seconds at
            most.
    """
    _background.get().publish(
        task_names.BACKGROUND_LOOKUP,
        (to_message(lookup),),
        argsrepr=f"({len(lookup.lookups)} lookups)",
        task_id=task_id,
    )


def send_submissions(submission_ids: Sequence[int]) -> None:
    """Publish one chain of import tasks for submissions, which may be those of several requests.

    Raises:
        kombu.exceptions.OperationalError: the broker is unreachable. The task
            `maintenance.sweep_receipts` publishes the submissions later.
    """
    summary = f"({len(submission_ids)} submissions)"
    send_chain(task_names.IMPORT_STAGES, list(submission_ids), summary)

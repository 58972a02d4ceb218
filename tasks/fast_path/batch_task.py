"""The worker's side: one task that runs all stages of a batch, and its unacknowledged request.

Messages between four tasks take more time than the stages themselves. The task has two names. Most
batches are sent as ``lookup.batch``, which sends no events: events take a quarter of the CPU time
of a single lookup. Once a second each front end sends a batch as ``lookup.sampled_batch``, which
does the same with Celery's events, so that Flower shows some lookups. ``excerpt.batch`` and
``excerpt.sampled_batch`` are the tasks of excerpts.
"""

from typing import ClassVar

from pipeline.messages import LookupBatch, Message, from_message
from tasks.celery import app
from tasks.clocks.timed_request import TimedRequest
from tasks.fast_path.switches import FastPath
from tasks.lookups.lookup_task import LookupTask
from tasks.lookups.stages import run_stage
from tasks.task_names import EXCERPT, LOOKUP, BatchTasks
from tasks.worker_resources import worker_resources


class UnacknowledgedRequest(TimedRequest):
    """A worker's request of a lookup; acknowledges the message only if the broker has a copy.

    Redis has no acknowledgements, so kombu copies each message that a worker takes and deletes the
    copy when the task has ended. A queue that is declared with ``no_ack`` has no copies. Celery
    acknowledges its messages nevertheless: it sends a transaction that deletes nothing, and kombu
    adds the message's tag to a set. kombu clears the set only when it takes a message that it
    copies. A worker that serves only lookups takes none, so the set would grow without limit.
    """

    def acknowledge(self) -> None:
        """Acknowledge the message if the queue is declared without ``no_ack``."""
        if FastPath.of(worker_resources().settings).acknowledges:
            super().acknowledge()


class SilentTask(LookupTask):
    """A task for which workers send no events."""

    abstract = True
    send_events: ClassVar = False


@app.task(name="lookup.batch", base=SilentTask)
def batch(message: Message) -> None:
    """Run all stages of a batch of lookups; the last one sends the answers to the front end."""
    run_all_stages(LOOKUP, message)


@app.task(name="lookup.sampled_batch", base=LookupTask)
def sampled_batch(message: Message) -> None:
    """Do the same as ``lookup.batch``, with events."""
    run_all_stages(LOOKUP, message)


@app.task(name="excerpt.batch", base=SilentTask)
def excerpt_batch(message: Message) -> None:
    """Run all stages of a batch of excerpts; the last one sends the answers to the front end."""
    run_all_stages(EXCERPT, message)


@app.task(name="excerpt.sampled_batch", base=LookupTask)
def excerpt_sampled_batch(message: Message) -> None:
    """Do the same as ``excerpt.batch``, with events."""
    run_all_stages(EXCERPT, message)


def run_all_stages(tasks: BatchTasks, message: Message) -> None:
    """Run all stages in order, with metrics for each. No stage starts after the deadline.

    Args:
        tasks: the tasks of the kind of lookups.
        message: the batch.

    Raises:
        celery.exceptions.Ignore: the deadline has passed.
    """
    carried = from_message(LookupBatch, message)
    for name in tasks.stages:
        carried = run_stage(name, carried)

"""A batch of lookups as one task, which runs all stages one after the other.

The messages between four tasks cost more than the stages. The task comes under two names: most
batches travel as ``lookup.batch``, which sends no events; for events cost a lone lookup a quarter
of its CPU. So that Flower shows lookups all the same, each front end sends one batch a second as
``lookup.sampled_batch``, which is the same work with Celery's ordinary events.
"""

from typing import ClassVar, Final

from pipeline.messages import LookupBatch, Message, from_message
from tasks.celery import app
from tasks.lookup import STAGES, LookupTask, run_stage

SAMPLE_INTERVAL: Final = 1.0
"""Seconds from one batch with events to the next, of each sender."""


class SilentTask(LookupTask):
    """A task of which workers send no events."""

    abstract = True
    send_events: ClassVar = False


@app.task(name="lookup.batch", base=SilentTask)
def batch(message: Message) -> None:
    """Run all stages of a batch of lookups and send the answers to the front end."""
    run_stages(message)


@app.task(name="lookup.sampled_batch", base=LookupTask)
def sampled_batch(message: Message) -> None:
    """Do as ``lookup.batch``, with events."""
    run_stages(message)


def run_stages(message: Message) -> None:
    """Run all stages, each measured under its own name and none begun after the deadline.

    Raises:
        celery.exceptions.Ignore: the batch is late.
    """
    carried = from_message(LookupBatch, message)
    for name in STAGES:
        carried = run_stage(name, carried)


def is_sampled(now: float, last: float) -> bool:
    """Tell whether a batch is to have events.

    Args:
        now: seconds on a clock that never goes back.
        last: when the last one that had events was sent.
    """
    return now >= last + SAMPLE_INTERVAL

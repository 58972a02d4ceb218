"""The stages of a batch of excerpts as Celery tasks: validate → dedupe → score → describe.

They run like those of ordinary lookups (`tasks.lookups.lookup`), on the same queue or on one of
their own (`[celery] excerpt_queue`).
"""

from pipeline.messages import Message
from tasks.celery import app
from tasks.lookups.lookup_task import LookupTask
from tasks.lookups.stages import run_stage_of_message


@app.task(name="excerpt.validate", base=LookupTask)
def validate(message: Message) -> Message:
    """Decode the fingerprints; refuse those without enough content for a search."""
    return run_stage_of_message("excerpt.validate", message)


@app.task(name="excerpt.dedupe", base=LookupTask)
def dedupe(message: Message) -> Message:
    """Find equal excerpts."""
    return run_stage_of_message("excerpt.dedupe", message)


@app.task(name="excerpt.score", base=LookupTask)
def score(message: Message) -> Message:
    """Search the sketch index and align the excerpts with the recordings found."""
    return run_stage_of_message("excerpt.score", message)


@app.task(name="excerpt.describe", base=LookupTask)
def describe(message: Message) -> None:
    """Add the requested metadata and send the answers to the front end."""
    run_stage_of_message("excerpt.describe", message)

"""The stages of a batch of lookups as Celery tasks: validate → dedupe → score → describe.

They run as a chain of these four tasks, or all in one task (`tasks.fast_path.batch_task`). The last
stage also sends the reply.
"""

from pipeline.messages import Message
from tasks.celery import app
from tasks.lookups.lookup_task import LookupTask
from tasks.lookups.stages import run_stage_of_message


@app.task(name="lookup.validate", base=LookupTask)
def validate(message: Message) -> Message:
    """Decode the fingerprints."""
    return run_stage_of_message("lookup.validate", message)


@app.task(name="lookup.dedupe", base=LookupTask)
def dedupe(message: Message) -> Message:
    """Find equal lookups."""
    return run_stage_of_message("lookup.dedupe", message)


@app.task(name="lookup.score", base=LookupTask)
def score(message: Message) -> Message:
    """Search the index and score the candidates; give second chances."""
    return run_stage_of_message("lookup.score", message)


@app.task(name="lookup.describe", base=LookupTask)
def describe(message: Message) -> None:
    """Add the requested metadata and send the answers to the front end."""
    run_stage_of_message("lookup.describe", message)

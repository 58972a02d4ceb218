"""The task of a background lookup (``async=1``): Redis keeps its answers for an hour.

Its message is acknowledged when the task has ended. If the worker is killed, Redis delivers the
message again. A task that runs twice stores and counts its answers once.
"""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from pipeline.lookups.dedupe import dedupe_lookups
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import (
    BackgroundLookup,
    Lookup,
    LookupBatch,
    Message,
    from_message,
    to_message,
)
from tasks.base import TRANSIENT, StageTask
from tasks.celery import app
from tasks.lookup import describe_batch, score_batch
from tasks.redis_state import background_records
from tasks.redis_state.background_records import Answer
from tasks.redis_state.lookup_counters import lookup_field
from tasks.upkeep import note_missing
from tasks.worker import services

LONGEST: Final = 15.0
"""Seconds to wait for MusicBrainz, at most."""

logger = structlog.get_logger("acoustid.tasks.background")


class BackgroundTask(StageTask):
    """A task whose record says so when it gives up."""

    abstract = True

    def on_failure(
        self,
        exc: Exception,
        task_id: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        einfo: Any,  # noqa: ANN401 - Celery's signature
    ) -> None:
        """Note in the record that no answer will come."""
        super().on_failure(exc, task_id, args, kwargs, einfo)
        passes = isinstance(exc, TRANSIENT)
        reason = "service currently unavailable, try again later" if passes else "internal error"
        with suppress(RedisError):  # without Redis there is nobody to tell
            background_records.fail(services().redis, task_id, reason)


@app.task(name="lookup.background", base=BackgroundTask, bind=True)
def look_up(self: BackgroundTask, message: Message) -> None:
    """Answer one request's lookups, and store and count the answers."""
    task_id = self.request.id
    question = from_message(BackgroundLookup, message)
    if not background_records.begin(services().redis, task_id):
        logger.info("a background lookup has ended before", task_id=task_id)
        return
    answers = find_answers(question)
    counts = Counter(
        lookup_field(question.application_id, hit=bool(answer["results"]))
        for answer in answers
        if "error" not in answer
    )
    background_records.finish(services().redis, task_id, answers, counts)


def send(task_id: str, question: BackgroundLookup) -> None:
    """Publish a background lookup, whose record exists.

    Raises:
        kombu.exceptions.OperationalError: the broker is away.
    """
    look_up.apply_async((to_message(question),), task_id=task_id)


def find_answers(question: BackgroundLookup) -> list[Answer]:
    """Return the answers of a batch; otherwise those up to the first that is no error."""
    if question.batch:
        return answer_lookups(question.lookups, question.meta)
    answers: list[Answer] = []
    for lookup in question.lookups:
        answers += answer_lookups([lookup], question.meta)
        if "error" not in answers[-1]:
            break
    return answers


def answer_lookups(lookups: list[Lookup], meta: str) -> list[Answer]:
    """Run the stages of a lookup in this process; return an answer for each lookup."""
    services().metrics.batch_size("background", len(lookups))
    deadline = time.time() + LONGEST
    batch = LookupBatch(id="", reply_to="", deadline=deadline, metas=[meta], lookups=lookups)
    described = describe_batch(score_batch(dedupe_lookups(validate_lookups(batch))))
    note_missing(services().redis, described.missing_mbids)
    return described.reply.answers

"""The task of a background lookup (``async=1``), which stores its answers in a record in Redis.

Its message is acknowledged when the task has ended. If the worker is killed, Redis delivers the
message again. A task that runs twice stores and counts its answers only once.
"""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from pipeline.lookups.dedupe import dedupe_lookups
from pipeline.messages import (
    BackgroundLookup,
    Lookup,
    LookupBatch,
    Message,
    from_message,
)
from tasks.celery import app
from tasks.lookups.stages import EXCERPTS, LOOKUPS, describe_batch
from tasks.outcomes.table import NOT_RETRIED, is_transient
from tasks.redis_state import background_records
from tasks.redis_state.background_records import Answer
from tasks.redis_state.lookup_counters import lookup_field
from tasks.redis_state.missing_mbid_set import add_missing_mbids
from tasks.stage_task import StageTask
from tasks.worker_resources import worker_resources

TIME_LIMITS: Final = (15.0, 4.0, 2.0, 2.0, 2.0)
"""Seconds for all lookups of a request, at the first attempt and at each retry.

Then a search of the index fails, and metadata is left out of the answers. All attempts together
hold a worker for no longer than the ``task_time_limit`` of one task.
"""

logger = structlog.get_logger("acoustid.tasks.lookups.background_lookup")


class BackgroundTask(StageTask):
    """A task of background lookups. If it fails and will not be retried, it stores the reason."""

    abstract = True
    # A message of another format fails again, so its client learns it at once.
    dont_autoretry_for: ClassVar = (*NOT_RETRIED, ValidationError)

    def on_failure(
        self,
        exc: Exception,
        task_id: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        einfo: Any,  # noqa: ANN401 - Celery's signature
    ) -> None:
        """Store the reason in the record."""
        super().on_failure(exc, task_id, args, kwargs, einfo)
        transient = is_transient(exc) and not isinstance(exc, ValidationError)
        reason = "service currently unavailable, try again later" if transient else "internal error"
        with suppress(RedisError):  # without Redis there is no record
            background_records.fail(worker_resources().redis, task_id, reason, kept=_kept())


@app.task(name="lookup.background", base=BackgroundTask, bind=True)
def look_up(self: BackgroundTask, message: Message) -> None:
    """Look up everything of one request; store and count the answers."""
    task_id = self.request.id
    lookup = from_message(BackgroundLookup, message)
    if not background_records.begin(worker_resources().redis, task_id):
        logger.info("background lookup has ended already", task_id=task_id)
        return
    time_limit = TIME_LIMITS[min(self.request.retries, len(TIME_LIMITS) - 1)]
    answers = find_answers(lookup, time_limit)
    counts = Counter(
        lookup_field(lookup.application_id, hit=bool(answer["results"]))
        for answer in answers
        if "error" not in answer
    )
    background_records.finish(worker_resources().redis, task_id, answers, counts, kept=_kept())


def _kept() -> int:
    return worker_resources().settings.retention.task_results_seconds


def find_answers(lookup: BackgroundLookup, time_limit: float = TIME_LIMITS[0]) -> list[Answer]:
    """Return all answers of a batch; otherwise those up to the first that is not an error.

    Args:
        lookup: the request.
        time_limit: seconds for all its lookups together.

    Raises:
        SearchTimeout: a search did not end in this time.
    """
    ends = time.monotonic() + time_limit
    if lookup.batch:
        return answer_lookups(lookup.lookups, lookup.meta, time_limit)
    answers: list[Answer] = []
    for each in lookup.lookups:
        answers += answer_lookups([each], lookup.meta, ends - time.monotonic())
        if "error" not in answers[-1]:
            break
    return answers


def answer_lookups(lookups: list[Lookup], meta: str, time_limit: float) -> list[Answer]:
    """Run all stages in this process within some seconds; return an answer for each lookup."""
    worker_resources().metrics.batch_size("background", len(lookups))
    deadline = worker_resources().clock.now() + time_limit
    batch = LookupBatch(id="", reply_to="", deadline=deadline, metas=[meta], lookups=lookups)
    kind = EXCERPTS if any(each.excerpt for each in lookups) else LOOKUPS
    described = describe_batch(kind.score(dedupe_lookups(kind.validate(batch))))
    add_missing_mbids(worker_resources().redis, described.missing_mbids)
    return described.reply.answers

"""The base class of the stages of an import: it retries, divides or ends a batch after an error.

`tasks.outcomes.table` has the outcome of each error. A task ends as follows:

===========  ====================================  ==============================================
outcome      several submissions                   one submission
===========  ====================================  ==============================================
transient    retried; then given back              retried; then given back
too slow     retried; then divided                 retried; then given back
too large    divided                               retried; then given back
crash        divided                               counted and retried; the third ends it failed
fault        divided                               ends failed
===========  ====================================  ==============================================

A time limit that a run exceeds only because its process was suspended is no crash: the run is
retried as after a transient error.

*Given back*: the receipts are due again after `LONGEST_PAUSE`, and the chain ends. *Divided*: each
part is started as a chain of its own.

A process that is killed by the time limit or by a signal runs no further code of the task. Its
message is delivered again, at once or after the broker's visibility timeout. The next task detects
this by the receipt (`pipeline.catalog.ingest.attempts`).
"""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar, Final, NoReturn

import celery
import sqlalchemy as sa
import structlog
from celery.exceptions import Ignore, Reject, Retry, TaskPredicate, WorkerLostError

from pipeline.catalog.ingest import attempts, leases
from pipeline.imports.fail import fail_unless_imported
from pipeline.runtime.trace import current_trace_id
from tasks.dispatch import send_submissions
from tasks.imports.message_ids import submission_ids
from tasks.outcomes.table import RETRIED, Outcome, is_transient, row_of
from tasks.recovery.run_process import describe, has_ended
from tasks.recovery.stuck_process import rounds_of
from tasks.redis_state import heartbeats, transient_failures
from tasks.stage_task import StageTask, task_metrics
from tasks.worker_resources import worker_resources

LONGEST_PAUSE: Final = 15.0
"""Maximum pause before an attempt, in seconds."""

_HEALTHY_WITHIN: Final = 1.0  # seconds in which PostgreSQL and Redis reply

_MOST_OF_LIMIT: Final = 0.75  # a busy process has fewer rounds than seconds

CRASHED: Final = "crashed its worker three times"

logger = structlog.get_logger("acoustid.tasks.outcomes.submission_task")


class SubmissionTask(StageTask):
    """A stage of the import. A faulty submission does not stop the other ones of its batch."""

    abstract = True
    autoretry_for: ClassVar = ()  # this class retries by itself
    max_retries: ClassVar[int] = 4
    pause_after_crash: ClassVar = 5.0  # seconds; twice as long after the second one
    # After the time limit has killed the process, the message is delivered again.
    acks_on_timeout: ClassVar = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any task's arguments
        """Run the stage, counted and timed. After an error, settle the submissions."""
        ids = submission_ids(args)
        with task_metrics(self.name):
            try:
                return self._work(ids, args, kwargs)
            except TaskPredicate:
                raise
            except Exception as error:
                self._end(error, ids)
                raise

    def on_retry(
        self,
        exc: Exception,
        task_id: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        einfo: Any,  # noqa: ANN401 - Celery's signature
    ) -> None:
        """Count and log the retry.

        Celery also calls this after it has killed the process because the worker has lost the
        broker.
        """
        super().on_retry(exc, task_id, args, kwargs, einfo)
        if isinstance(exc, Retry):
            self.end_cancelled(task_id, args)

    def end_cancelled(self, task_id: str, args: Sequence[Any]) -> None:
        """Note that the worker itself has killed the process of a task; that is no crash.

        Args:
            task_id: the id of the task.
            args: its arguments.
        """
        ids = submission_ids(args)
        if not ids:
            return
        with (
            suppress(*RETRIED),
            worker_resources().databases.engine("ingest").begin() as connection,
        ):
            attempts.end_cancelled(connection, ids[0], task_id)

    def _work(self, ids: Sequence[int], args: Sequence[Any], kwargs: Mapping[str, Any]) -> object:
        self._begin(ids)
        try:
            result: object = celery.Task.__call__(self, *args, **kwargs)
        except Exception:  # not SystemExit, by which the time limit may end the process
            self._end_run(ids)
            raise
        self._end_run(ids)
        return result

    def _begin(self, ids: Sequence[int]) -> None:
        """Find out whether the worker of an earlier delivery of this message was killed.

        If it still works, this run waits. A single submission with a final state needs no run.
        """
        if self.request.called_directly or not ids:
            return
        begun = time.monotonic()
        with worker_resources().databases.engine("ingest").begin() as connection:
            found = attempts.begin_run(connection, ids[0], *self._run())
        if len(ids) == 1 and not found.is_pending:
            raise Ignore
        if found.earlier is None:
            return
        error = WorkerLostError("the worker of an earlier delivery was killed")
        if not has_ended(found.earlier, self.request.hostname, self._workers_alive):
            logger.warning("message delivered twice", task=self.name, submissions=len(ids))
            self._wait(error, ids)
        if len(ids) > 1:
            self._divide(ids, error)
        self._count_crash(ids, error, begun)

    def _end_run(self, ids: Sequence[int]) -> None:
        if self.request.called_directly or not ids:
            return
        try:
            with worker_resources().databases.engine("ingest").begin() as connection:
                attempts.end_run(connection, ids[0], *self._run())
        except Exception as error:
            if not is_transient(error):
                raise
            # It matters only if this message is delivered again.
            logger.warning("end of the task not stored", error=type(error).__name__)

    def _run(self) -> tuple[str, str]:
        """Return the id of the message and the process.

        A retry keeps the id of the task, and two deliveries may have one retry each. The broker's
        id (``delivery_tag``) is another one for each message that is published.
        """
        properties = self.request.properties or {}
        message = f"{self.request.id}:{properties.get('delivery_tag', self.request.retries)}"
        return message, describe(self.request.hostname)

    @staticmethod
    def _workers_alive() -> list[str]:
        return heartbeats.alive(worker_resources().redis)

    def _end(self, error: Exception, ids: Sequence[int]) -> None:
        """Settle the submissions after an error; return only if one has ended failed."""
        try:
            self._settle(error, ids)
        except TaskPredicate:
            raise
        except Exception as later:
            if not is_transient(later):
                raise
            self._wait(later, ids)

    def _settle(self, error: Exception, ids: Sequence[int]) -> None:
        outcome = row_of(error).outcome
        is_alone = len(ids) <= 1
        waits = outcome is Outcome.TRANSIENT or (
            outcome in {Outcome.TOO_SLOW, Outcome.TOO_LARGE} and is_alone
        )
        if waits or (outcome is Outcome.TOO_SLOW and self.request.retries < self.max_retries):
            self._wait(error, ids)
        if not is_alone:
            self._divide(ids, error)
        if outcome is Outcome.CRASH:
            if not self._has_run_for_long():
                self._wait(error, ids)
            self._count_crash(ids, error, time.monotonic())
        self._fail(ids, f"internal error in {self.name} (trace {current_trace_id()})")

    def _has_run_for_long(self) -> bool:
        """Return whether this run has had most of its time limit.

        Celery's timer also counts the time for which the process was suspended.
        """
        limit = self.app.conf.task_soft_time_limit
        return rounds_of(self.request.id) >= int(_MOST_OF_LIMIT * limit)

    def _wait(self, error: Exception, ids: Sequence[int]) -> NoReturn:
        """Retry this stage after a pause. After the last retry, give the submissions back."""
        if self.request.retries < self.max_retries:
            self._retry(ids, error, min(2.0**self.request.retries, LONGEST_PAUSE))
        self._give_back(ids, error)
        raise Ignore

    def _retry(self, ids: Sequence[int], error: Exception, pause: float) -> None:
        """End this task with a retry; return if the broker does not take the message."""
        with (
            suppress(*RETRIED),
            worker_resources().databases.engine("ingest").begin() as connection,
        ):
            leases.renew(connection, ids)
        try:
            self.retry(exc=error, countdown=pause, max_retries=self.request.retries + 1)
        except Reject as refused:
            logger.warning("retry not published", task=self.name, error=str(refused.reason))

    def _give_back(self, ids: Sequence[int], error: Exception) -> None:
        cause = row_of(error).cause
        logger.warning(
            "submissions given back",
            task=self.name,
            submissions=len(ids),
            cause=cause,
            error=type(error).__name__,
        )
        try:
            with worker_resources().databases.engine("ingest").begin() as connection:
                leases.release(connection, ids, timedelta(seconds=LONGEST_PAUSE))
        except Exception as later:
            if not is_transient(later):
                raise
            # The receipts are dispatched again without this, when they are overdue.
            logger.warning("submissions not given back", error=type(later).__name__)
        worker_resources().metrics.transient_failure(cause)
        transient_failures.count(worker_resources().redis, cause)

    def _divide(self, ids: Sequence[int], error: Exception) -> NoReturn:
        """Start parts of a batch as chains of their own, and end this one."""
        parts = divided(ids)
        logger.warning(
            "batch divided",
            task=self.name,
            submissions=len(ids),
            parts=len(parts),
            error=type(error).__name__,
            exc_info=error if row_of(error).outcome is Outcome.FAULT else None,
        )
        for part in parts:
            send_submissions(part)
        raise Ignore

    def _count_crash(self, ids: Sequence[int], error: Exception, begun: float) -> NoReturn:
        """Count a crash that a submission alone caused, and try again, or end it failed.

        While PostgreSQL or Redis is slow, the crash may be due to that, so it is not counted.

        Args:
            ids: the id of the submission.
            error: the crash.
            begun: monotonic time; the servers must reply within `_HEALTHY_WITHIN` after it.
        """
        _ask_servers()
        if time.monotonic() - begun > _HEALTHY_WITHIN:
            self._wait(error, ids)
        with worker_resources().databases.engine("ingest").begin() as connection:
            crashes = attempts.count_crash(connection, ids[0])
        logger.warning("submission crashed its worker", submission=ids[0], crashes=crashes)
        if crashes >= attempts.MOST_CRASHES:
            self._fail(ids, CRASHED)
            raise Ignore
        if crashes:
            self._retry(ids, error, min(self.pause_after_crash * crashes, LONGEST_PAUSE))
            self._give_back(ids, error)
        raise Ignore

    def _fail(self, ids: Sequence[int], reason: str) -> None:
        failed = fail_unless_imported(worker_resources().databases, ids, reason)
        worker_resources().metrics.submissions_ended("failed", failed)


def divided(ids: Sequence[int]) -> list[Sequence[int]]:
    """Return about √n parts of about √n ids: after two divisions each id of up to 200 is alone."""
    size = max(1, math.isqrt(len(ids)))
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _ask_servers() -> None:
    """Wait for a reply of the databases of imports and of Redis."""
    resources = worker_resources()
    for name in ("ingest", "fingerprint"):
        with resources.databases.engine(name).connect() as connection:
            connection.execute(sa.select(1))
    resources.redis.ping()

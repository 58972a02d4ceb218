"""The base classes of all tasks: a stage's retries, metrics, log records and events.

================  =======  ======================  ==========================================
class             retries  delay before a retry    used by
================  =======  ======================  ==========================================
`StageTask`       4        1, 2, 4, 8 s, jittered  imports, index, maintenance, background
                                                   lookups; the default of the application
`QuickStageTask`  2        0.2 s                   lookups that a client waits for
================  =======  ======================  ==========================================

Only the errors in `tasks.outcomes.table.RETRIED` are retried.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import celery
import structlog
from celery.exceptions import Retry

from tasks.outcomes.table import NOT_RETRIED, RETRIED, is_transient, row_of
from tasks.redis_state import transient_failures
from tasks.worker_resources import worker_resources

logger = structlog.get_logger("acoustid.tasks.stage_task")


@contextmanager
def task_metrics(name: str) -> Iterator[None]:
    """Count and time a block under the name of a task, unless the block requests a retry."""
    metrics = worker_resources().metrics
    metrics.task_started(name)
    begun = time.perf_counter()
    try:
        yield
    except Retry:
        raise
    except Exception:
        metrics.task_failed(name, time.perf_counter() - begun)
        raise
    seconds = time.perf_counter() - begun
    metrics.task_finished(name, seconds)
    if logger.isEnabledFor(logging.DEBUG):  # ten times faster than a call of `debug`
        logger.debug("task finished", task=name, seconds=round(seconds, 4))


class StageTask(celery.Task):
    """A task with metrics and log records, which is retried after transient errors."""

    abstract = True
    autoretry_for: ClassVar = RETRIED
    dont_autoretry_for: ClassVar = NOT_RETRIED
    Request = "tasks.clocks.timed_request:TimedRequest"
    max_retries: ClassVar = 4
    retry_backoff: ClassVar = 1  # seconds before the first retry, doubled for each further one
    retry_backoff_max: ClassVar = 8  # seconds; far below the broker's visibility timeout
    retry_jitter: ClassVar = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any task's arguments
        """Run the task, counted and timed."""
        with task_metrics(self.name):
            return super().__call__(*args, **kwargs)

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - Celery's options
    ) -> Any:  # noqa: ANN401 - Celery's result
        """Publish the task. Flower shows a summary of the arguments instead of their bytes."""
        options.setdefault("argsrepr", _summary(args))
        return super().apply_async(args, kwargs, **options)

    def on_retry(
        self,
        exc: Exception,
        task_id: str,
        args: Sequence[Any],  # noqa: ARG002 - Celery's signature
        kwargs: dict[str, Any],  # noqa: ARG002 - Celery's signature
        einfo: Any,  # noqa: ANN401, ARG002 - Celery's signature
    ) -> None:
        """Count and log the retry."""
        worker_resources().metrics.task_retried(self.name)
        if is_transient(exc):
            cause = row_of(exc).cause
            worker_resources().metrics.transient_failure(cause)
            transient_failures.count(worker_resources().redis, cause)
        logger.warning(
            "task will be retried",
            task=self.name,
            task_id=task_id,
            attempt=self.request.retries + 1,
            error=type(exc).__name__,
        )

    def on_failure(
        self,
        exc: Exception,
        task_id: str,
        args: Sequence[Any],  # noqa: ARG002 - Celery's signature
        kwargs: dict[str, Any],  # noqa: ARG002 - Celery's signature
        einfo: Any,  # noqa: ANN401, ARG002 - Celery's signature
    ) -> None:
        """Log the final failure."""
        logger.error("task failed", task=self.name, task_id=task_id, exc_info=exc)


class QuickStageTask(StageTask):
    """A task with few and quick retries, for work that a client waits for."""

    abstract = True
    max_retries: ClassVar = 2
    retry_backoff: ClassVar = False
    default_retry_delay: ClassVar = 0.2  # seconds
    retry_jitter: ClassVar = False


def _summary(args: Sequence[Any] | None) -> str:
    """Return a short text for arguments: sizes of a batch's lists, plain values as they are."""
    return "(" + ", ".join(_summary_of_one(arg) for arg in args or ()) + ")"


def _summary_of_one(arg: object) -> str:
    if isinstance(arg, dict):
        return ", ".join(
            f"{name}: {len(value)}" for name, value in arg.items() if isinstance(value, list)
        )
    if isinstance(arg, list | tuple):
        return f"{len(arg)} items"
    return repr(arg)[:64]

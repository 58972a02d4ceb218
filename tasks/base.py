"""The base of all tasks: what is retried, and what is measured and logged of each."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import celery
import structlog
from celery.exceptions import Retry

from pipeline.imports.score import IndexAheadError, IndexBehindError
from pipeline.index import IndexCorrupt, SearchTimeout
from pipeline.index_http import IndexUnavailable
from pipeline.runtime.databases import DATABASE_UNREACHABLE
from pipeline.runtime.redis_client import REDIS_UNREACHABLE
from tasks.worker import services

# What passes by itself: a server that restarts, a deadlock, a lost connection, an index that is
# behind, waits for its rebuilding, or is on servers that are away. Anything else would fail again,
# so it is not tried again.
TRANSIENT: Final = (
    *DATABASE_UNREACHABLE,
    *REDIS_UNREACHABLE,
    IndexBehindError,
    IndexAheadError,
    IndexCorrupt,
    IndexUnavailable,
    SearchTimeout,
)

logger = structlog.get_logger("acoustid.tasks")


@contextmanager
def measured(name: str) -> Iterator[None]:
    """Count and time what runs under the name of a task; a retry is neither end of it."""
    metrics = services().metrics
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
    if logger.isEnabledFor(logging.DEBUG):  # a tenth of what it takes to find that out below
        logger.debug("task finished", task=name, seconds=round(seconds, 4))


class StageTask(celery.Task):
    """A task that is measured, logged, and tried again when the reason for failing passes."""

    abstract = True
    autoretry_for: ClassVar = TRANSIENT
    max_retries: ClassVar = 4
    retry_backoff: ClassVar = 1  # seconds, doubled each time
    retry_backoff_max: ClassVar = 8  # well below the broker's visibility timeout
    retry_jitter: ClassVar = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any task's arguments
        """Run the task, counting and timing it."""
        with measured(self.name):
            return super().__call__(*args, **kwargs)

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - Celery's options
    ) -> Any:  # noqa: ANN401 - Celery's result
        """Send the task; Flower is shown what it carries in a word, not its bytes."""
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
        """Note that the task will be tried again."""
        services().metrics.task_retried(self.name)
        logger.warning(
            "task will be tried again",
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
        """Note that the task gave up."""
        logger.error("task failed", task=self.name, task_id=task_id, exc_info=exc)


def _summary(args: Sequence[Any] | None) -> str:
    """Return what the arguments are in a few words: counts of a batch, plain values as they are."""
    return "(" + ", ".join(_word(arg) for arg in args or ()) + ")"


def _word(arg: object) -> str:
    if isinstance(arg, dict):
        return ", ".join(
            f"{name}: {len(value)}" for name, value in arg.items() if isinstance(value, list)
        )
    if isinstance(arg, list | tuple):
        return f"{len(arg)} items"
    return repr(arg)[:64]

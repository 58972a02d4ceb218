"""Publishes submissions for the workers. The submissions of many requests share a chain."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import structlog

from api.access.redis_outage import BROKER_UNREACHABLE
from api.http.errors import ServiceUnavailableError
from api.submissions.group_commit import GroupCommit
from pipeline.runtime.trace import current_trace_id, trace

MAX_BATCH: Final = 200
"""Maximum number of submissions in one chain."""

POLL: Final = 0.02
"""Seconds between two checks of whether the workers are busy."""

MAX_WAIT: Final = 1.0
"""Maximum time in seconds for which submissions wait while the workers are busy."""

logger = structlog.get_logger("acoustid.api.submissions.publisher")


class _Written(NamedTuple):
    submission_id: int
    trace_id: str | None


class SubmissionPublisher:
    """Publishes the submissions of many requests in few chains.

    A chain of tasks takes about the same time for one submission as for a hundred. At low load,
    each request has a chain of its own, which is published at once. While messages wait for a
    worker, new submissions are collected for the next chain. This does not delay them, since they
    would wait in the queue. If the process dies before it has published a submission, the sweeper
    publishes it.

    Args:
        send: publishes a chain; raises `BROKER_UNREACHABLE`.
        is_busy: returns whether messages wait for a worker.
    """

    def __init__(self, send: Callable[[Sequence[int]], None], is_busy: Callable[[], bool]) -> None:
        self._send = send
        self._group_commit = GroupCommit(
            "imports",
            self._publish,
            max_size=MAX_BATCH,
            is_early=is_busy,
            poll=POLL,
            max_wait=MAX_WAIT,
        )

    def add(self, submission_ids: Sequence[int]) -> None:
        """Add submissions to publish. After `close` they are left to the sweeper."""
        trace_id = current_trace_id()
        with suppress(ServiceUnavailableError):
            self._group_commit.add(*(_Written(each, trace_id) for each in submission_ids))

    def close(self) -> None:
        """Publish the submissions that have been added."""
        self._group_commit.close()

    def _publish(self, written: list[_Written]) -> None:
        ids = [each.submission_id for each in written]
        trace_ids = list(dict.fromkeys(each.trace_id for each in written))
        with trace(trace_ids[0] if len(trace_ids) == 1 else None):
            try:
                self._send(ids)
            except BROKER_UNREACHABLE as error:
                logger.warning(
                    "the broker is unreachable: the sweeper will publish the submissions",
                    submissions=len(ids),
                    error=type(error).__name__,
                )
            else:
                log = logger.info if len(trace_ids) > 1 else logger.debug
                log("submissions sent", submissions=len(ids), requests=trace_ids)

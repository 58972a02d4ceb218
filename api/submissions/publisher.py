"""Publishes submissions for the workers. The submissions of many requests share a chain."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import structlog

from api.access.redis_outage import BROKER_UNREACHABLE
from api.http.errors import ServiceUnavailableError
from api.submissions.group_commit import GroupCommit
from pipeline.runtime.databases import DATABASE_UNUSABLE
from pipeline.runtime.trace import current_trace_id, trace
from tasks.redis_state.import_backlog import MAX_BATCH, QueueState

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
    would wait in the queue. While the queue is full, and while older submissions wait in the
    database, the submissions are left to the workers (`tasks.imports.waiting_submissions`). The
    workers also send those that a process has not published before its end.

    Args:
        send: publishes a chain; raises `BROKER_UNREACHABLE`.
        leave: leaves submissions to the workers; raises `DATABASE_UNUSABLE`.
        queue_state: returns the state of the queue; None if Redis is unreachable.
    """

    def __init__(
        self,
        send: Callable[[Sequence[int]], None],
        leave: Callable[[Sequence[int]], None],
        queue_state: Callable[[], QueueState | None],
    ) -> None:
        self._send = send
        self._leave = leave
        self._queue_state = queue_state
        self._group_commit = GroupCommit(
            "imports",
            self._publish,
            max_size=MAX_BATCH,
            is_early=self._is_busy,
            poll=POLL,
            max_wait=MAX_WAIT,
        )

    def add(self, submission_ids: Sequence[int]) -> None:
        """Add submissions to publish. After `close` they are left to the workers."""
        trace_id = current_trace_id()
        with suppress(ServiceUnavailableError):
            self._group_commit.add(*(_Written(each, trace_id) for each in submission_ids))

    def close(self) -> None:
        """Publish the submissions that have been added."""
        self._group_commit.close()

    def _is_busy(self) -> bool:
        state = self._queue_state()
        return state is not None and state.waiting > 0

    def _is_full(self) -> bool:
        state = self._queue_state()
        return state is not None and (not state.free or state.has_backlog)

    def _publish(self, written: list[_Written]) -> None:
        ids = [each.submission_id for each in written]
        trace_ids = list(dict.fromkeys(each.trace_id for each in written))
        with trace(trace_ids[0] if len(trace_ids) == 1 else None):
            if self._is_full():
                self._leave_to_workers(ids)
                return
            try:
                self._send(ids)
            except BROKER_UNREACHABLE as error:
                logger.warning(
                    "the broker is unreachable: the workers will import the submissions later",
                    submissions=len(ids),
                    error=type(error).__name__,
                )
                self._leave_to_workers(ids)
            else:
                log = logger.info if len(trace_ids) > 1 else logger.debug
                log("submissions sent", submissions=len(ids), requests=trace_ids)

    def _leave_to_workers(self, ids: Sequence[int]) -> None:
        try:
            self._leave(ids)
        except (*DATABASE_UNUSABLE, *BROKER_UNREACHABLE) as error:
            # Their leases end nevertheless.
            logger.warning(
                "submissions will be sent when their leases end",
                submissions=len(ids),
                error=type(error).__name__,
            )

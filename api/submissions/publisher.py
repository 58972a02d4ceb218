"""Publishes written receipts for the workers: those that come while they are busy share a chain."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import structlog
from kombu.exceptions import OperationalError

from api.http.errors import ServiceUnavailableError
from api.submissions.group_commit import GroupCommit
from pipeline.runtime.trace import current_trace_id, trace

BATCH: Final = 200
"""Submissions in one chain."""

POLL: Final = 0.02
"""Seconds between two looks whether the workers are busy."""

MAX_WAIT: Final = 1.0
"""Seconds after which submissions join the queue, however long it is."""

logger = structlog.get_logger("acoustid.api.imports")


class _Written(NamedTuple):
    submission_id: int
    trace_id: str | None


class SubmissionPublisher:
    """Publishes the submissions of many requests in few chains.

    A chain of tasks costs the same for one submission and for a hundred. At low load each request
    has its own at once. While messages wait for a worker, what comes gathers for the next chain,
    for no chain is begun sooner by being queued. Should the process die before it has published,
    the sweeper does.

    Args:
        send: publishes a chain; raises `kombu.exceptions.OperationalError` without a broker.
        is_busy: says whether messages wait for a worker.
    """

    def __init__(self, send: Callable[[Sequence[int]], None], is_busy: Callable[[], bool]) -> None:
        self._send = send
        self._group_commit = GroupCommit(
            "imports",
            self._publish,
            max_size=BATCH,
            is_early=is_busy,
            poll=POLL,
            max_wait=MAX_WAIT,
        )

    def add(self, submission_ids: Sequence[int]) -> None:
        """Have submissions imported soon; when the process is about to end, by the sweeper."""
        trace_id = current_trace_id()
        with suppress(ServiceUnavailableError):
            self._group_commit.add(*(_Written(each, trace_id) for each in submission_ids))

    def close(self) -> None:
        """Publish what waits."""
        self._group_commit.close()

    def _publish(self, written: list[_Written]) -> None:
        ids = [each.submission_id for each in written]
        trace_ids = list(dict.fromkeys(each.trace_id for each in written))
        with trace(trace_ids[0] if len(trace_ids) == 1 else None):
            try:
                self._send(ids)
            except OperationalError as error:
                # The receipts are written: the sweeper starts them when the broker is back.
                logger.warning(
                    "the broker is away: submissions are left to the sweeper",
                    submissions=len(ids),
                    error=type(error).__name__,
                )
            else:
                log = logger.info if len(trace_ids) > 1 else logger.debug
                log("submissions sent", submissions=len(ids), requests=trace_ids)

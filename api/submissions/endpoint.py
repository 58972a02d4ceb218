"""``/v2/submit`` and ``/v2/submission_status``: receive submissions, and return their states."""

import time
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import structlog

from api.access.access_control import AccessControl, KeyedEndpoint
from api.http.endpoint import ApiRequest
from api.http.parameters import MAX_ID, Parameters, parse_int
from api.http.skipped_items import with_skipped
from api.submissions.backlog import SubmissionBacklog
from api.submissions.publisher import SubmissionPublisher
from api.submissions.receipts import ReceiptWriter
from api.submissions.request import NumberedReceipt, Submissions, Submitter, parse_submissions
from pipeline.catalog.app.accounts import Application
from pipeline.catalog.ingest.submission_status import SubmissionStatus, statuses
from pipeline.runtime.databases import DATABASE_UNREACHABLE, Databases
from pipeline.runtime.sentry import bind_account
from pipeline.runtime.statsd_metrics import Metrics

MAX_WAIT: Final = 10
"""Maximum time in seconds that a request waits for final states."""

_PAUSES: Final = (0.05, 0.1, 0.25)
"""Seconds to wait before each query of the states; the last value is repeated."""

logger = structlog.get_logger("acoustid.api.submissions.endpoint")


class SubmitEndpoint(KeyedEndpoint):
    """Receives submissions. After a successful reply no submission is lost.

    Args:
        access: checks and counts the requests.
        timeout: maximum time in seconds for a request.
        databases: the states of submissions are in the ingest database.
        receipts: writes submissions to the database.
        backlog: refuses submissions while too many are pending.
        publisher: publishes submissions for the workers.
        metrics: counts submissions.
    """

    name: ClassVar[str] = "submit"

    def __init__(
        self,
        access: AccessControl,
        timeout: float,
        databases: Databases,
        receipts: ReceiptWriter,
        backlog: SubmissionBacklog,
        publisher: SubmissionPublisher,
        metrics: Metrics,
    ) -> None:
        super().__init__(access, timeout)
        self._databases = databases
        self._receipts = receipts
        self._backlog = backlog
        self._publisher = publisher
        self._metrics = metrics

    def identify(self, request: ApiRequest) -> Application:
        """Return the application, and set `application_id` and `account_id` of the request.

        Raises:
            ApiError: a key is missing or not valid.
        """
        application = super().identify(request)
        account = self.access.keys.account(request.parameters, request.deadline)
        request.account_id = account.id
        bind_account(account.id)
        return application

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the submissions, the id of the task that imports them, and the skipped items.

        If no item has an MBID, a PUID or metadata, there are no submissions and there is no task.
        """
        self.access.maintenance.refuse(request.deadline)
        self._backlog.refuse_above_limit()
        parameters = request.parameters
        version = parameters.get_text("clientversion")
        submitter = Submitter(request.account_id, request.application_id, version)
        received, skipped = self.parse(parameters, submitter)
        if not received:
            return with_skipped({"submissions": []}, skipped)
        task_id = uuid.uuid4()
        ids = self._store(received, task_id, request.deadline)
        self._publisher.add(ids)
        known = self._wait(ids, parameters.get_int("wait") or 0, request.deadline)
        body = {"submissions": _show(received, ids, known), "task": {"id": str(task_id)}}
        return with_skipped(body, skipped)

    def parse(self, parameters: Parameters, submitter: Submitter) -> Submissions:
        """Return the submissions of a request.

        Raises:
            ApiError: all items are invalid.
        """
        return parse_submissions(parameters, submitter)

    def _store(
        self, received: Sequence[NumberedReceipt], task_id: uuid.UUID, deadline: float
    ) -> list[int]:
        """Commit the receipts, and return their ids."""
        ids = self._receipts.write([each.receipt for each in received], task_id, deadline)
        self._metrics.new_submissions(len(ids))
        return ids

    def _wait(
        self, ids: Sequence[int], seconds: int, deadline: float
    ) -> dict[int, SubmissionStatus]:
        """Return the states of the submissions when all are final, or when the time is over."""
        known: dict[int, SubmissionStatus] = {}
        ends = min(time.monotonic() + min(seconds, MAX_WAIT), deadline)
        readings = 0
        while (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, _PAUSES[min(readings, len(_PAUSES) - 1)]))
            readings += 1
            try:
                known = statuses(self._databases, ids)
            except DATABASE_UNREACHABLE as error:  # the submissions are already committed
                logger.warning(
                    "the states of submissions cannot be read", error=type(error).__name__
                )
                break
            if all(status.state != "pending" for status in known.values()):
                break
        return known


class SubmissionStatusEndpoint(KeyedEndpoint):
    """Returns the states of submissions to any application, since their ids are not secret."""

    name: ClassVar[str] = "submission_status"

    def __init__(self, access: AccessControl, databases: Databases) -> None:
        super().__init__(access)
        self._databases = databases

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the submissions, in the order of the ids in the request."""
        numbers = (parse_int(value) for value in request.parameters.get_all("id"))
        ids = [number for number in numbers if number is not None]
        possible = sorted({number for number in ids if 1 <= number <= MAX_ID})
        known = statuses(self._databases, possible) if possible else {}
        return {"submissions": [show_submission(number, known.get(number)) for number in ids]}


def show_submission(submission_id: int, status: SubmissionStatus | None) -> dict[str, Any]:
    """Return a submission for the reply.

    An unknown submission is pending, as in the public service.
    """
    if status is None:
        return {"id": submission_id, "status": "pending"}
    shown: dict[str, Any] = {"id": submission_id, "status": status.state}
    if status.reason is not None:
        shown["reason"] = status.reason
    if status.track_gid is not None:
        shown["result"] = {"id": str(status.track_gid)}
    return shown


def _show(
    received: Sequence[NumberedReceipt], ids: Sequence[int], known: dict[int, SubmissionStatus]
) -> list[dict[str, Any]]:
    shown = []
    for (index, _), submission_id in zip(received, ids, strict=True):
        entry = show_submission(submission_id, known.get(submission_id))
        if index is not None:
            entry["index"] = str(index)  # a string, as in the public service
        shown.append(entry)
    return shown

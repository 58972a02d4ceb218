"""``/v2/submit``: receive fingerprints with what is known of them."""

import time
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import structlog

from api.access.access_control import AccessControl, KeyedEndpoint
from api.http.endpoint import ApiRequest
from api.http.parameters import Parameters
from api.submissions.publisher import ImportSender
from api.submissions.receipts import ReceiptWriter
from api.submissions.request import NumberedReceipt, Sender, parse_submissions
from api.submissions.status import show_submission
from pipeline.catalog.app.accounts import Application
from pipeline.catalog.ingest.submission_status import SubmissionStatus, statuses
from pipeline.runtime.databases import DATABASE_UNREACHABLE, Databases
from pipeline.runtime.metrics import Metrics

MAX_WAIT: Final = 10
"""Seconds that a client may have its request wait for final states, if it has as many left."""

_PAUSES: Final = (0.05, 0.1, 0.25)  # seconds between two looks, the last one again and again

logger = structlog.get_logger("acoustid.api.submit")


class SubmitEndpoint(KeyedEndpoint):
    """Receives submissions: once the reply is out, nothing of them gets lost.

    Args:
        access: checks and counts the requests.
        timeout: seconds that a request may take.
        databases: of which the ingest database has the states of submissions.
        receipts: writes the submissions.
        imports: publishes them for the workers.
        metrics: counts them.
    """

    name: ClassVar[str] = "submit"

    def __init__(
        self,
        access: AccessControl,
        timeout: float,
        databases: Databases,
        receipts: ReceiptWriter,
        imports: ImportSender,
        metrics: Metrics,
    ) -> None:
        super().__init__(access, timeout)
        self._databases = databases
        self._receipts = receipts
        self._imports = imports
        self._metrics = metrics

    def identify(self, request: ApiRequest) -> Application:
        """Return the application that asks, and note it and its user.

        Raises:
            ApiError: a key is missing or not valid.
        """
        application = super().identify(request)
        account = self.access.keys.account(request.parameters, request.deadline)
        request.account_id = account.id
        return application

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the submissions and the id of the task that imports them.

        Where nothing was worth importing there are no submissions, and no task either.
        """
        parameters = request.parameters
        version = parameters.get_text("clientversion")
        sender = Sender(request.account_id, request.application_id, version)
        received = self.parse(parameters, sender)
        if not received:
            return {"submissions": []}
        task_id = uuid.uuid4()
        ids = self._store(received, task_id, request.deadline)
        self._imports.add(ids)
        known = self._wait(ids, parameters.get_int("wait") or 0, request.deadline)
        return {"submissions": _show(received, ids, known), "task": {"id": str(task_id)}}

    def parse(self, parameters: Parameters, sender: Sender) -> list[NumberedReceipt]:
        """Return what is worth importing.

        Raises:
            ApiError: nothing of what was sent is valid.
        """
        return parse_submissions(parameters, sender)

    def _store(
        self, received: Sequence[NumberedReceipt], task_id: uuid.UUID, deadline: float
    ) -> list[int]:
        """Write the receipts; from the commit on they survive whatever happens."""
        ids = self._receipts.write([each.receipt for each in received], task_id, deadline)
        self._metrics.new_submissions(len(ids))
        return ids

    def _wait(
        self, ids: Sequence[int], seconds: int, deadline: float
    ) -> dict[int, SubmissionStatus]:
        """Return what became of the submissions, as soon as all is done or the time is over."""
        known: dict[int, SubmissionStatus] = {}
        ends = min(time.monotonic() + min(seconds, MAX_WAIT), deadline)
        looks = 0
        while (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, _PAUSES[min(looks, len(_PAUSES) - 1)]))
            looks += 1
            try:
                known = statuses(self._databases, ids)
            except DATABASE_UNREACHABLE as error:  # they are received all the same
                logger.warning("states are unknown", server=type(error).__module__)
                break
            if all(status.state != "pending" for status in known.values()):
                break
        return known


def _show(
    received: Sequence[NumberedReceipt], ids: Sequence[int], known: dict[int, SubmissionStatus]
) -> list[dict[str, Any]]:
    shown = []
    for (index, _), submission_id in zip(received, ids, strict=True):
        entry = show_submission(submission_id, known.get(submission_id))
        if index is not None:
            entry["index"] = str(index)  # a text, as the public service has it
        shown.append(entry)
    return shown

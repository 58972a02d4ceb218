"""``/v2/submit``: receives fingerprints and the metadata of their recordings."""

import time
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import structlog

from api.http.endpoint import KeyedEndpoint
from api.http.exchange import Exchange
from api.http.parameters import Parameters
from api.submissions.receipts import DATABASE_ERRORS
from api.submissions.request import NumberedReceipt, Sender, parse_submissions
from api.submissions.status import show_submission
from pipeline.catalog.app.accounts import Application
from pipeline.catalog.ingest.submission_status import SubmissionStatus, statuses

MAX_WAIT: Final = 10
"""The longest time in seconds that a request waits for final states."""

_PAUSES: Final = (0.05, 0.1, 0.25)
"""Seconds before each reading of the states; the last value repeats."""

logger = structlog.get_logger("acoustid.api.submit")


class SubmitEndpoint(KeyedEndpoint):
    """Receives submissions; once it has replied, none is lost."""

    name: ClassVar[str] = "submit"

    @property
    def timeout(self) -> float:
        """Seconds that a request may take."""
        return self.services.settings.api.submit_timeout

    def identify(self, parameters: Parameters, exchange: Exchange) -> Application:
        """Return the application, and note it and the user in the exchange.

        Raises:
            ApiError: a key is missing or not valid.
        """
        application = super().identify(parameters, exchange)
        account = self.services.keys.account(parameters, exchange.deadline)
        exchange.account_id = account.id
        return application

    def answer(
        self,
        parameters: Parameters,
        exchange: Exchange,
        **fields: str,  # noqa: ARG002 - the path has none
    ) -> dict[str, Any]:
        """Return the submissions and the id of the task that imports them.

        If no item names a recording there are no submissions and no task.
        """
        version = parameters.get_text("clientversion")
        sender = Sender(exchange.account_id, exchange.application_id, version)
        received = self.parse(parameters, sender)
        if not received:
            return {"submissions": []}
        task_id = uuid.uuid4()
        ids = self._store(received, task_id, exchange.deadline)
        self.services.publisher.add(ids)
        known = self._wait(ids, parameters.get_int("wait") or 0, exchange.deadline)
        return {"submissions": _show(received, ids, known), "task": {"id": str(task_id)}}

    def parse(self, parameters: Parameters, sender: Sender) -> list[NumberedReceipt]:
        """Return the receipts of the items that name a recording.

        Raises:
            ApiError: no item is valid.
        """
        return parse_submissions(parameters, sender)

    def _store(
        self, received: Sequence[NumberedReceipt], task_id: uuid.UUID, deadline: float
    ) -> list[int]:
        """Write the receipts; once they are committed, none is lost."""
        ids = self.services.receipts.write([each.receipt for each in received], task_id, deadline)
        self.services.metrics.new_submissions(len(ids))
        return ids

    def _wait(
        self, ids: Sequence[int], seconds: int, deadline: float
    ) -> dict[int, SubmissionStatus]:
        """Return the states of the submissions when all are final or the time is over."""
        known: dict[int, SubmissionStatus] = {}
        ends = min(time.monotonic() + min(seconds, MAX_WAIT), deadline)
        readings = 0
        while (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, _PAUSES[min(readings, len(_PAUSES) - 1)]))
            readings += 1
            try:
                known = statuses(self.services.databases, ids)
            except DATABASE_ERRORS as error:  # the submissions are received nevertheless
                logger.warning(
                    "the states of submissions cannot be read", server=type(error).__module__
                )
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
            entry["index"] = str(index)  # a string, as in the public service
        shown.append(entry)
    return shown

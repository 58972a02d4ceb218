"""``/v2/submit``: receive fingerprints with what is known of them."""

import time
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from api.endpoint import Endpoint
from api.exchange import Exchange
from api.parameters import Parameters
from api.submission_view import show_submission
from api.submit_request import NumberedReceipt, Sender, parse_submissions
from pipeline.catalog.submission_status import SubmissionStatus, statuses

MAX_WAIT: Final = 10
"""Seconds that a client may have its request wait for final states."""

_PAUSES: Final = (0.05, 0.1, 0.25)  # seconds between two looks, the last one again and again


class SubmitEndpoint(Endpoint):
    """Receives submissions: once the reply is out, nothing of them gets lost."""

    name: ClassVar[str] = "submit"

    def answer(
        self,
        parameters: Parameters,
        exchange: Exchange,
        **fields: str,  # noqa: ARG002 - the path has none
    ) -> dict[str, Any]:
        """Return the submissions and the id of the task that imports them.

        Where nothing was worth importing there are no submissions, and no task either.
        """
        application = self.services.keys.application(parameters)
        account = self.services.keys.account(parameters)
        sender = Sender(account.id, application.id, parameters.get_text("clientversion"))
        received = self.parse(parameters, sender)
        self.limit(parameters, exchange, application)
        if not received:
            return {"submissions": []}
        task_id = uuid.uuid4()
        ids = self._store(received, task_id)
        self.services.imports.add(ids)
        known = self._wait(ids, parameters.get_int("wait") or 0)
        return {"submissions": _show(received, ids, known), "task": {"id": str(task_id)}}

    def parse(self, parameters: Parameters, sender: Sender) -> list[NumberedReceipt]:
        """Return what is worth importing.

        Raises:
            ApiError: nothing of what was sent is valid.
        """
        return parse_submissions(parameters, sender)

    def _store(self, received: Sequence[NumberedReceipt], task_id: uuid.UUID) -> list[int]:
        """Write the receipts; from the commit on they survive whatever happens."""
        ids = self.services.receipts.write([each.receipt for each in received], task_id)
        self.services.metrics.new_submissions(len(ids))
        return ids

    def _wait(self, ids: Sequence[int], seconds: int) -> dict[int, SubmissionStatus]:
        """Return what became of the submissions, as soon as all is done or the time is over."""
        known: dict[int, SubmissionStatus] = {}
        deadline = time.monotonic() + min(seconds, MAX_WAIT)
        looks = 0
        while time.monotonic() < deadline:
            time.sleep(_PAUSES[min(looks, len(_PAUSES) - 1)])
            looks += 1
            known = statuses(self.services.databases, ids)
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

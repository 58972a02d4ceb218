"""``/v2/submission_status``: the states of submissions, by their ids."""

from typing import Any, ClassVar

from api.access.access_control import AccessControl, KeyedEndpoint
from api.http.endpoint import ApiRequest
from api.http.parameters import MAX_ID, parse_int
from pipeline.catalog.ingest.submission_status import SubmissionStatus, statuses
from pipeline.runtime.databases import Databases


class SubmissionStatusEndpoint(KeyedEndpoint):
    """Shows submissions to any application; their ids are no secret."""

    name: ClassVar[str] = "submission_status"

    def __init__(self, access: AccessControl, databases: Databases) -> None:
        super().__init__(access)
        self._databases = databases

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the submissions in the order of the request."""
        numbers = (parse_int(value) for value in request.parameters.get_all("id"))
        ids = [number for number in numbers if number is not None]
        possible = sorted({number for number in ids if 1 <= number <= MAX_ID})
        known = statuses(self._databases, possible) if possible else {}
        return {"submissions": [show_submission(number, known.get(number)) for number in ids]}


def show_submission(submission_id: int, status: SubmissionStatus | None) -> dict[str, Any]:
    """Return a submission for a reply; an unknown one is pending, as in the public service."""
    if status is None:
        return {"id": submission_id, "status": "pending"}
    shown: dict[str, Any] = {"id": submission_id, "status": status.state}
    if status.reason is not None:
        shown["reason"] = status.reason
    if status.track_gid is not None:
        shown["result"] = {"id": str(status.track_gid)}
    return shown

"""``/v2/submission_status``: what became of submissions, by their ids."""

from typing import Any, ClassVar

from api.endpoint import KeyedEndpoint
from api.exchange import Exchange
from api.parameters import MAX_ID, Parameters, parse_int
from api.submission_view import show_submission
from pipeline.catalog.submission_status import statuses


class SubmissionStatusEndpoint(KeyedEndpoint):
    """Tells anyone with an application key; ids are no secret."""

    name: ClassVar[str] = "submission_status"

    def answer(
        self,
        parameters: Parameters,
        exchange: Exchange,  # noqa: ARG002 - it has been counted
        **fields: str,  # noqa: ARG002 - the path has none
    ) -> dict[str, Any]:
        """Return the submissions in the order in which they were asked for."""
        numbers = (parse_int(value) for value in parameters.get_all("id"))
        ids = [number for number in numbers if number is not None]
        possible = sorted({number for number in ids if 1 <= number <= MAX_ID})
        known = statuses(self.services.databases, possible) if possible else {}
        return {"submissions": [show_submission(number, known.get(number)) for number in ids]}

"""``/lookup`` and ``/submit``: version 1 of the protocol, for old clients.

Replies are always XML: in version 1 the parameter ``format`` is the format of the audio file.
"""

from dataclasses import replace
from typing import ClassVar, Final

from api.http.endpoint import ApiRequest
from api.http.parameters import Parameters, parse_seconds
from api.http.serialisation import XML
from api.lookups.endpoint import LookupEndpoint
from api.lookups.request import LookupRequest, parse_lookup
from api.submissions.endpoint import SubmitEndpoint
from api.submissions.request import Submissions, Submitter, parse_submissions
from pipeline.submission_fields import DURATION, MAX_DURATION

_DURATION: Final = DURATION.name(1)


class LookupV1Endpoint(LookupEndpoint):
    """Finds tracks. The reply may have the MBIDs of recordings, which version 1 calls tracks."""

    name: ClassVar[str] = "v1_lookup"

    def prepare(self, request: ApiRequest) -> None:
        """Set the format of the reply to XML."""
        request.style = XML

    def parse(self, parameters: Parameters) -> LookupRequest:
        """Parse a lookup. Any ``meta`` except ``0`` adds the MBIDs of recordings to the reply."""
        wanted = parameters.get("meta") not in {None, "", "0"}
        request = parse_lookup(parameters, version=1)
        return replace(request, meta="recordingids" if wanted else "", old_names=True)


class SubmitV1Endpoint(SubmitEndpoint):
    """Receives submissions."""

    name: ClassVar[str] = "v1_submit"

    def prepare(self, request: ApiRequest) -> None:
        """Set the format of the reply to XML."""
        request.style = XML

    def parse(self, parameters: Parameters, submitter: Submitter) -> Submissions:
        """Parse submissions. Ignore a length of 0, and a length over `MAX_DURATION`."""
        kept = Parameters(
            (name, value)
            for name in parameters
            for value in parameters.get_all(name)
            if not (name.partition(".")[0] == _DURATION and _counts_as_none(value))
        )
        return parse_submissions(kept, submitter, version=1)


def _counts_as_none(length: str) -> bool:
    seconds = parse_seconds(length)
    return seconds is not None and (seconds == 0 or seconds > MAX_DURATION)

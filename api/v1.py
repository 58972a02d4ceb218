"""``/lookup`` and ``/submit``: version 1 of the protocol, which old clients still speak.

Replies are XML whatever is asked for, since ``format`` is the audio file's.
"""

from dataclasses import replace
from typing import ClassVar, Final

from api.http.exchange import Exchange
from api.http.parameters import Parameters, parse_int
from api.http.serialisation import XML
from api.lookups.endpoint import LookupEndpoint
from api.lookups.request import LookupRequest, parse_lookup
from api.submissions.endpoint import SubmitEndpoint
from api.submissions.request import NumberedReceipt, Sender, parse_submissions
from pipeline.submission_fields import DURATION, MAX_DURATION

_DURATION: Final = DURATION.name(1)


class LookupV1Endpoint(LookupEndpoint):
    """Finds tracks, and at most the MBIDs of their recordings, which it calls tracks."""

    name: ClassVar[str] = "v1_lookup"

    def prepare(self, parameters: Parameters, exchange: Exchange) -> None:  # noqa: ARG002 - nothing in them matters
        """Reply in XML."""
        exchange.style = XML

    def parse(self, parameters: Parameters) -> LookupRequest:
        """Take any ``meta`` for the wish to know the MBIDs."""
        wanted = parameters.get("meta") not in {None, "", "0"}
        request = parse_lookup(parameters, version=1)
        return replace(request, meta="recordingids" if wanted else "", old_names=True)


class SubmitV1Endpoint(SubmitEndpoint):
    """Receives submissions."""

    name: ClassVar[str] = "v1_submit"

    def prepare(self, parameters: Parameters, exchange: Exchange) -> None:  # noqa: ARG002 - nothing in them matters
        """Reply in XML."""
        exchange.style = XML

    def parse(self, parameters: Parameters, sender: Sender) -> list[NumberedReceipt]:
        """Take a length of 0, or of more than can be stored, for none."""
        kept = Parameters(
            (name, value)
            for name in parameters
            for value in parameters.get_all(name)
            if not (name.partition(".")[0] == _DURATION and _counts_as_none(value))
        )
        return parse_submissions(kept, sender, version=1)


def _counts_as_none(length: str) -> bool:
    number = parse_int(length)
    return number is not None and (number == 0 or number > MAX_DURATION)

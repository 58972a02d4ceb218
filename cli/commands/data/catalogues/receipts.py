"""Makes receipts of entries, with the checks of ``/v2/submit`` and those of the first stage.

`submission_pairs` makes the parameters that `acoustid submit` would send, `parse_submissions`
checks them as the web service does, and `rejection` has the rules of the stage `validate`. So a
line is refused here for the same reason as by `acoustid submit`.
"""

from collections.abc import Sequence

from api.http.errors import ApiError
from api.http.parameters import Parameters
from api.submissions.request import Submitter as RequestSubmitter
from api.submissions.request import parse_submissions
from cli.commands.client.entries.entry import Entry, InvalidEntryError, submission_pairs
from pipeline.bulk_import.submissions.progress import Submitter
from pipeline.fingerprint.distinct import count_distinct_batch
from pipeline.imports.validate import rejection
from pipeline.submission_fields import Receipt


def make_receipts(entry: Entry, submitter: Submitter) -> list[Receipt]:
    """Return a receipt for each MBID of an entry, or one without an MBID.

    Raises:
        InvalidEntryError: a field is missing or not valid, or it names no recording.
    """
    pairs = submission_pairs(entry)
    sender = RequestSubmitter(submitter.account_id, submitter.application_id, submitter.version)
    try:
        found = parse_submissions(Parameters(pairs), sender)
    except ApiError as error:
        raise InvalidEntryError(error.message) from error
    for skipped in found.skipped:
        raise InvalidEntryError(str(skipped.error))
    return [each.receipt for each in found.receipts]


def find_rejections(receipts: Sequence[Receipt]) -> list[str | None]:
    """Return why each receipt would be rejected by the first stage; None if it would not."""
    distinct = count_distinct_batch([each.words for each in receipts]).tolist()
    return [rejection(*pair) for pair in zip(receipts, distinct, strict=True)]

"""The first stage of an import: rejects submissions that can't be imported."""

from collections.abc import Sequence

from pipeline.catalog.ingest import submissions
from pipeline.catalog.ingest.submissions import Ending
from pipeline.fingerprint.distinct import MIN_DISTINCT_WORDS, count_distinct_batch
from pipeline.messages import SubmissionBatch, SubmissionInBatch
from pipeline.runtime.databases import Databases
from pipeline.runtime.sentry import bind_submission
from pipeline.submission_fields import Receipt
from pipeline.thresholds import identifier


def validate_submissions(ids: Sequence[int], databases: Databases) -> SubmissionBatch:
    """Return a batch of the pending submissions that are valid; reject the others.

    A rejected submission gets its final state, with the reason, in the ingest database.
    """
    accepted: list[SubmissionInBatch] = []
    rejected: dict[str, list[int]] = {}
    with databases.engine("ingest").begin() as connection:
        loaded = submissions.load(connection, ids)
        pending = [stored for stored in loaded if stored.state == "pending"]
        bind_submission(pending, "validate")
        distinct = count_distinct_batch([stored.words for stored in pending]).tolist()
        for stored, words in zip(pending, distinct, strict=True):
            reason = rejection(stored, words)
            if reason is None:
                accepted.append(SubmissionInBatch(stored.id, str(stored.task_id)))
            else:
                rejected.setdefault(reason, []).append(stored.id)
        endings = [Ending(refused, "rejected", reason) for reason, refused in rejected.items()]
        submissions.finish(connection, endings, announces=databases.announces)
    return SubmissionBatch(accepted)


def rejection(receipt: Receipt, distinct: int) -> str | None:
    """Return why a submission is rejected; None if it is valid.

    A fingerprint of silence has a single distinct word, so it needs no separate rule.

    Args:
        receipt: the submission.
        distinct: the number of distinct words of its fingerprint.
    """
    if not (identifier(receipt.mbid) or identifier(receipt.puid) or receipt.meta is not None):
        return "it names no recording: an mbid, a puid or text metadata is needed"
    if distinct < MIN_DISTINCT_WORDS:
        return f"its fingerprint has {distinct} distinct words; it needs {MIN_DISTINCT_WORDS}"
    return None

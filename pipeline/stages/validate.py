"""The first stage: decode what a lookup brings, refuse what a submission may not become."""

from collections.abc import Sequence

from pipeline.catalog import submissions
from pipeline.catalog.submissions import StoredSubmission
from pipeline.fingerprint.codec import decompress_batch
from pipeline.fingerprint.distinct import MIN_DISTINCT_WORDS, count_distinct_batch
from pipeline.fingerprint.errors import InvalidFingerprint, Reason
from pipeline.runtime.databases import Databases
from pipeline.stages.messages import Candidate, LookupBatch, SubmissionBatch
from pipeline.stages.rules import identifier


def validate_lookups(batch: LookupBatch) -> LookupBatch:
    """Replace each lookup's compressed fingerprint by its words, or note why it is refused."""
    asked = [lookup for lookup in batch.lookups if lookup.fingerprint]
    decoded = decompress_batch([lookup.fingerprint for lookup in asked])
    for lookup, outcome in zip(asked, decoded, strict=True):
        lookup.fingerprint = b""
        if isinstance(outcome, InvalidFingerprint):
            lookup.error = outcome.reason
        elif not outcome.words.size:
            lookup.error = Reason.EMPTY
        else:
            lookup.words = outcome.words.astype("<u4", copy=False).tobytes()
    return batch


def validate_submissions(ids: Sequence[int], databases: Databases) -> SubmissionBatch:
    """Return a batch of the pending submissions that may be imported; reject the others.

    A rejected submission gets its final state, with the reason, in the ingest database.
    """
    accepted: list[Candidate] = []
    rejected: dict[str, list[int]] = {}
    with databases.engine("ingest").begin() as connection:
        loaded = submissions.load(connection, ids)
        pending = [stored for stored in loaded if stored.state == "pending"]
        distinct = count_distinct_batch([stored.words for stored in pending]).tolist()
        for stored, words in zip(pending, distinct, strict=True):
            reason = _rejection(stored, words)
            if reason is None:
                accepted.append(Candidate(stored.id, str(stored.task_id)))
            else:
                rejected.setdefault(reason, []).append(stored.id)
        for reason, refused in rejected.items():
            submissions.finish(connection, refused, "rejected", reason)
    return SubmissionBatch(accepted)


def _rejection(stored: StoredSubmission, distinct: int) -> str | None:
    """Return why a submission may not be imported, or None when it may.

    A fingerprint of silence has a single distinct word, so it needs no rule of its own.
    """
    if not (identifier(stored.mbid) or identifier(stored.puid) or stored.meta is not None):
        return "it names no recording: an mbid, a puid or text metadata is needed"
    if distinct < MIN_DISTINCT_WORDS:
        return f"its fingerprint has {distinct} distinct words; it needs {MIN_DISTINCT_WORDS}"
    return None

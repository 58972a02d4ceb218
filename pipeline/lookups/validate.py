"""The first stage of a lookup: decodes its compressed fingerprint."""

from pipeline.fingerprint.codec import decompress_batch
from pipeline.fingerprint.errors import InvalidFingerprint, Reason
from pipeline.fingerprint.public_part import public_part
from pipeline.messages import LookupBatch


def validate_lookups(batch: LookupBatch) -> LookupBatch:
    """Replace each compressed fingerprint by its words, or set the lookup's error.

    Words that only the search of the sketch index uses are kept for that search alone.
    """
    compressed = [lookup for lookup in batch.lookups if lookup.fingerprint]
    decoded = decompress_batch([lookup.fingerprint for lookup in compressed])
    for lookup, outcome in zip(compressed, decoded, strict=True):
        lookup.fingerprint = b""
        if isinstance(outcome, InvalidFingerprint):
            lookup.error = outcome.reason
        elif not outcome.words.size:
            lookup.error = Reason.EMPTY
        else:
            is_whole = lookup.second_chance or lookup.excerpt
            words = outcome.words if is_whole else public_part(outcome.words)
            lookup.words = words.astype("<u4", copy=False).tobytes()
    return batch

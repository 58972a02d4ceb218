"""The second stage of a lookup: find the lookups of a batch that repeat an earlier one."""

from pipeline.messages import LookupBatch


def dedupe_lookups(batch: LookupBatch) -> LookupBatch:
    """Mark the lookups that repeat an earlier one of the batch: they share its hits."""
    first: dict[tuple[bytes, str, int, int], int] = {}
    for index, lookup in enumerate(batch.lookups):
        if lookup.error:
            continue
        question = (lookup.words, lookup.track_gid, lookup.duration, lookup.max_duration_diff)
        earlier = first.setdefault(question, index)
        if earlier != index:
            lookup.same_as = earlier
            lookup.words = b""
    return batch

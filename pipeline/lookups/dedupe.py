"""The second stage of a lookup: finds lookups that are equal to an earlier one of the batch."""

from pipeline.messages import LookupBatch


def dedupe_lookups(batch: LookupBatch) -> LookupBatch:
    """Mark the lookups that are equal to an earlier one of the batch and have the same hits."""
    first: dict[tuple[bytes, str, int, int, bool, bool], int] = {}
    for index, lookup in enumerate(batch.lookups):
        if lookup.error:
            continue
        key = (
            lookup.words,
            lookup.track_gid,
            lookup.duration,
            lookup.max_duration_diff,
            lookup.excerpt,
            lookup.second_chance,
        )
        earlier = first.setdefault(key, index)
        if earlier != index:
            lookup.same_as = earlier
            lookup.words = b""
    return batch

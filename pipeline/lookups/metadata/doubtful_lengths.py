"""Finds the tracks of a batch whose lengths must be read to find mismatches of length.

A track that a lookup by fingerprint found has a fingerprint whose length differs from the lookup's
duration by at most `max_duration_diff`. So most recordings are known to fit the track without its
lengths, and most batches need no statement for them. This is not so for a track that the sketch
index found: its fingerprints may have any length.
"""

from collections.abc import Mapping, Sequence

from pipeline.catalog.duration_mismatch import LengthRange, is_mismatch
from pipeline.catalog.fingerprint.track_links import RecordingLink
from pipeline.catalog.musicbrainz.metadata import Recording
from pipeline.lookups.metadata.reading import Links, Request, original
from pipeline.messages import Lookup, LookupBatch


def doubtful_tracks(
    batch: LookupBatch,
    requests: Sequence[Request],
    links: Links,
    recordings: Mapping[str, Recording],
) -> set[int]:
    """Return the ids of the tracks with a recording that may be too long or too short.

    Args:
        batch: the lookups with their hits.
        requests: the requests of the batch, in their order.
        links: the links of the tracks found.
        recordings: the recordings of MusicBrainz by MBID.
    """
    doubtful: set[int] = set()
    if not recordings:
        return doubtful
    for lookup in batch.lookups:
        if not requests[lookup.request].options.compares_lengths:
            continue
        found = original(lookup, batch)
        least_fitting = _least_fitting(found)
        for hit in found.hits:
            if _is_doubtful(links.get(hit.track_id, ()), recordings, least_fitting):
                doubtful.add(hit.track_id)
    return doubtful


def _least_fitting(lookup: Lookup) -> LengthRange | None:
    """Return a range of lengths; None if it is unknown. A recording that fits it fits each track.

    The shortest fingerprint of a track is not longer than the one found, and the longest is not
    shorter. The one found differs from the duration by at most `max_duration_diff`. So `shortest`
    is the duration plus this difference, and `longest` is the duration minus it.
    """
    if lookup.track_gid or any(hit.match for hit in lookup.hits):
        return None
    difference = lookup.max_duration_diff
    return LengthRange(lookup.duration + difference, lookup.duration - difference)


def _is_doubtful(
    links: Sequence[RecordingLink],
    recordings: Mapping[str, Recording],
    least_fitting: LengthRange | None,
) -> bool:
    for link in links:
        recording = recordings.get(link.mbid)
        if recording is None or not recording.length:
            continue
        if least_fitting is None or is_mismatch(recording.length, least_fitting):
            return True
    return False

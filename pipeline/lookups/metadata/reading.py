"""Plans the reads of a batch from the options of its requests, and reads MusicBrainz."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pipeline.catalog.fingerprint.track_links import RecordingLink
from pipeline.catalog.musicbrainz import metadata
from pipeline.catalog.musicbrainz.metadata import Credited, MusicbrainzRows, Wanted
from pipeline.catalog.musicbrainz.outages import read_if_reachable
from pipeline.lookups.metadata.meta_words import Detail, MetaOptions, parse_meta
from pipeline.lookups.metadata.view import MetadataRows
from pipeline.messages import Lookup, LookupBatch
from pipeline.runtime.databases import Databases

Links = Mapping[int, Sequence[RecordingLink]]

DEADLINE_SHARE: Final = 1 / 6
"""Fraction of the remaining time for each of five statements; the rest is for the reply."""

MAX_STATEMENT_TIME: Final = 2.0  # seconds
MIN_STATEMENT_TIME: Final = 0.05  # seconds


@dataclass(slots=True)
class Request:
    """The options of one request of the batch, and the ids of the tracks that its lookups found."""

    options: MetaOptions
    track_ids: set[int] = field(default_factory=set)


def original(lookup: Lookup, batch: LookupBatch) -> Lookup:
    """Return the lookup with the hits of this one: an equal, earlier one, or the lookup itself."""
    return batch.lookups[lookup.same_as] if lookup.same_as >= 0 else lookup


def plan_requests(batch: LookupBatch) -> list[Request]:
    """Return the requests of a batch, in their order."""
    requests = [Request(parse_meta(meta)) for meta in batch.metas]
    for lookup in batch.lookups:
        hits = original(lookup, batch).hits
        requests[lookup.request].track_ids.update(hit.track_id for hit in hits)
    return requests


def linked_tracks(requests: Sequence[Request]) -> set[int]:
    """Return the ids of the tracks whose links are needed for the answers."""
    shown = (request.track_ids for request in requests if request.options.shows_links)
    return set().union(*shown)


def plan_reading(requests: Sequence[Request], links: Links) -> Wanted:
    """Return the metadata of MusicBrainz that is needed for the answers."""
    wanted = Wanted()
    for request in requests:
        options = request.options
        if not options.reads_musicbrainz:
            continue
        mbids = {link.mbid for track_id in request.track_ids for link in links.get(track_id, ())}
        wanted.recordings |= mbids
        if options.shows_releases:
            wanted.with_releases |= mbids
        wanted.isrcs |= options.isrcs
        wanted.events |= options.releases is Detail.FULL
        wanted.credited |= _credited(options)
    return wanted


def shows_text(request: Request, rows: MetadataRows) -> bool:
    """Return whether the answers to a request contain submitted texts.

    As in the public service, they do not if MusicBrainz has a recording of any track of the
    request. This includes recordings that are left out for their length.
    """
    return request.options.user_text and not _has_any_recording(request, rows)


def _has_any_recording(request: Request, rows: MetadataRows) -> bool:
    return any(
        rows.has_recording(link.mbid, request.options)
        for track_id in request.track_ids
        for link in rows.links.get(track_id, ())
    )


def _credited(options: MetaOptions) -> set[Credited]:
    shown: dict[Credited, bool] = {
        "recording": options.recordings is Detail.FULL,
        "track": options.tracks or options.legacy,
        "release": options.releases is Detail.FULL,
        "release_group": options.release_groups is Detail.FULL,
    }
    return {kind for kind, is_shown in shown.items() if is_shown}


def read_musicbrainz(
    wanted: Wanted, databases: Databases, deadline: float
) -> MusicbrainzRows | None:
    """Return the wanted rows of MusicBrainz; None during an outage, which is logged.

    Args:
        wanted: the recordings, and the kinds of metadata.
        databases: only ``musicbrainz`` is read.
        deadline: time on the monotonic clock; each statement gets a share of the time until then.
    """
    share = (deadline - time.monotonic()) * DEADLINE_SHARE
    limit = min(max(share, MIN_STATEMENT_TIME), MAX_STATEMENT_TIME)
    return read_if_reachable(databases, lambda connection: metadata.load(connection, wanted), limit)

"""What a batch must read: the union of what its requests want to see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.catalog.fingerprint.track_links import RecordingLink
from pipeline.catalog.musicbrainz.metadata import Credited, Wanted
from pipeline.lookups.metadata.meta_words import Detail, MetaOptions, parse_meta
from pipeline.lookups.metadata.view import Knowledge
from pipeline.messages import Lookup, LookupBatch

Links = Mapping[int, Sequence[RecordingLink]]


@dataclass(slots=True)
class Request:
    """One request of the batch: what it wants to see, and the tracks that its lookups found."""

    options: MetaOptions
    track_ids: set[int] = field(default_factory=set)


def original(lookup: Lookup, batch: LookupBatch) -> Lookup:
    """Return the lookup whose hits answer this one: itself, unless it repeats another."""
    return batch.lookups[lookup.same_as] if lookup.same_as >= 0 else lookup


def plan_requests(batch: LookupBatch) -> list[Request]:
    """Return the requests of a batch in their order."""
    requests = [Request(parse_meta(meta)) for meta in batch.metas]
    for lookup in batch.lookups:
        hits = original(lookup, batch).hits
        requests[lookup.request].track_ids.update(hit.track_id for hit in hits)
    return requests


def linked_tracks(requests: Sequence[Request]) -> set[int]:
    """Return the tracks whose links are needed."""
    shown = (request.track_ids for request in requests if request.options.shows_links)
    return set().union(*shown)


def plan_reading(requests: Sequence[Request], links: Links) -> Wanted:
    """Return what is needed of MusicBrainz."""
    wanted = Wanted()
    for request in requests:
        options = request.options
        if not options.reads_musicbrainz:
            continue
        mbids = {link.mbid for track_id in request.track_ids for link in links.get(track_id, ())}
        wanted.recordings |= mbids
        if options.shows_releases:
            wanted.placed |= mbids
        wanted.isrcs |= options.isrcs
        wanted.events |= options.releases is Detail.FULL
        wanted.credited |= _credited(options)
    return wanted


def shows_text(request: Request, knowledge: Knowledge) -> bool:
    """Return whether a request gets submitted text.

    The rule of the protocol is one for the whole request: all of its tracks get theirs, or none
    does as soon as MusicBrainz knows anything of one.
    """
    return request.options.user_text and not _knows_any(request, knowledge)


def _knows_any(request: Request, knowledge: Knowledge) -> bool:
    return any(
        knowledge.knows(link.mbid, request.options)
        for track_id in request.track_ids
        for link in knowledge.links.get(track_id, ())
    )


def _credited(options: MetaOptions) -> set[Credited]:
    shown: dict[Credited, bool] = {
        "recording": options.recordings is Detail.FULL,
        "track": options.tracks or options.legacy,
        "release": options.releases is Detail.FULL,
        "release_group": options.release_groups is Detail.FULL,
    }
    return {kind for kind, is_shown in shown.items() if is_shown}

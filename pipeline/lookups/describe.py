"""The last stage of a lookup: makes the answers, with the metadata that `meta` selects.

A batch needs at most nine statements, for any number of results: three in the fingerprint database
and six in MusicBrainz's, of which one limits the time of the others. Without MusicBrainz, the
answers contain ids only.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from pipeline.catalog.duration_mismatch import LengthRange
from pipeline.catalog.fingerprint import track_links
from pipeline.catalog.fingerprint.track_links import UserText
from pipeline.catalog.musicbrainz.metadata import MusicbrainzRows
from pipeline.lookups.metadata import reading
from pipeline.lookups.metadata.doubtful_lengths import doubtful_tracks
from pipeline.lookups.metadata.json_parts import Json, artist_lists
from pipeline.lookups.metadata.reading import Links, Request
from pipeline.lookups.metadata.user_text import MAX_TEXTS
from pipeline.lookups.metadata.view import MetadataRows, MetadataView
from pipeline.messages import Lookup, LookupBatch, LookupReply, TrackHit
from pipeline.runtime.databases import Databases

Texts = Mapping[int, Sequence[UserText]]
Lengths = Mapping[int, LengthRange]


@dataclass(frozen=True, slots=True)
class Described:
    """The answers of a batch, and the state of MusicBrainz's database.

    Attributes:
        reply: the reply to the front end.
        missing_mbids: MBIDs of the tracks found that MusicBrainz does not have. They may have been
            merged or removed there.
        degraded: MusicBrainz's database could not be read, and the answers contain ids only.
    """

    reply: LookupReply
    missing_mbids: frozenset[str] = frozenset()
    degraded: bool = False


def describe_lookups(
    batch: LookupBatch, databases: Databases, deadline: float = math.inf
) -> Described:
    """Return the answers of a batch, each with the metadata that its request selects.

    An answer is ``{"results": [{"id": ..., "score": ..., ...}, ...]}`` or ``{"error": reason}``.
    The first form has ``"partial": True`` too if results may have been left out. A result that the
    sketch index found has ``"match": {"offset": ..., "duration": ..., "matched": ...}`` after its
    score, as `RecordingPart`. Answers may share objects, so they must not be changed in place.

    Args:
        batch: the scored lookups.
        databases: ``fingerprint`` and ``musicbrainz`` are read.
        deadline: the batch's deadline on the monotonic clock of this process.
    """
    requests = reading.plan_requests(batch)
    links = _read_links(reading.linked_tracks(requests), databases)
    wanted = reading.plan_reading(requests, links)
    found = (
        reading.read_musicbrainz(wanted, databases, deadline)
        if wanted.recordings
        else MusicbrainzRows()
    )
    musicbrainz = found or MusicbrainzRows()
    doubtful = doubtful_tracks(batch, requests, links, musicbrainz.recordings)
    lengths = _read_lengths(doubtful, databases)
    rows = MetadataRows(links, musicbrainz, artist_lists(musicbrainz), lengths)
    with_text = [reading.shows_text(request, rows) for request in requests]
    texts = _read_texts(_chosen(requests, with_text), databases)
    views = {each.options: MetadataView(each.options, rows) for each in requests}
    answers = [
        _answer(
            reading.original(lookup, batch),
            views[requests[lookup.request].options],
            texts if with_text[lookup.request] else {},
        )
        for lookup in batch.lookups
    ]
    missing = wanted.recordings.difference(musicbrainz.recordings) if found else ()
    return Described(LookupReply(batch.id, answers), frozenset(missing), degraded=found is None)


def _answer(lookup: Lookup, view: MetadataView, texts: Texts) -> Json:
    if lookup.error:
        return {"error": lookup.error}
    answer: Json = {"results": [_result(hit, view, texts) for hit in lookup.hits]}
    if lookup.partial:
        answer["partial"] = True
    return answer


def _result(hit: TrackHit, view: MetadataView, texts: Texts) -> Json:
    metadata = view.of_track(hit.track_id, texts.get(hit.track_id, ()))
    if hit.match is None:
        return {"id": hit.gid, "score": hit.score, **metadata}
    return {"id": hit.gid, "score": hit.score, "match": asdict(hit.match), **metadata}


def _chosen(requests: Sequence[Request], with_text: Sequence[bool]) -> set[int]:
    pairs = zip(requests, with_text, strict=True)
    return set().union(*(request.track_ids for request, chosen in pairs if chosen))


def _read_links(track_ids: set[int], databases: Databases) -> Links:
    if not track_ids:
        return {}
    with databases.reading("fingerprint") as connection:
        return track_links.enabled_links(connection, track_ids)


def _read_lengths(track_ids: set[int], databases: Databases) -> Lengths:
    if not track_ids:
        return {}
    with databases.reading("fingerprint") as connection:
        return track_links.length_ranges(connection, track_ids)


def _read_texts(track_ids: set[int], databases: Databases) -> Texts:
    if not track_ids:
        return {}
    with databases.reading("fingerprint") as connection:
        return track_links.user_texts(connection, track_ids, MAX_TEXTS)

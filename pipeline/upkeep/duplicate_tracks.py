"""Finds tracks that may be one recording, for an operator to merge (`acoustid tracks suggest`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice, product
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
import sqlalchemy as sa

from pipeline.catalog.fingerprint import fingerprints, mbid_links, tracks
from pipeline.catalog.fingerprint.fingerprints import StoredFingerprint
from pipeline.fingerprint.compare import compare2_batch
from pipeline.runtime.databases import Databases
from pipeline.thresholds import DUPLICATE_MAX_LENGTH_DIFF, DUPLICATE_TRACK_THRESHOLD

_CHUNK: Final = 100  # MBIDs whose fingerprints are read at once

Members = Mapping[int, Sequence[StoredFingerprint]]  # by track id


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two tracks that may be one recording.

    Attributes:
        target: the older track.
        source: the newer track, to merge into the older one.
        mbid: an MBID that both are linked to.
        min_score: the lowest compare2 score between fingerprints of the two tracks, 0…1.
        max_length_diff: the largest difference in length between their fingerprints, seconds.
    """

    target: UUID
    source: UUID
    mbid: UUID
    min_score: float
    max_length_diff: int


class _Pair(NamedTuple):
    """Two track ids, the lower first, and the differences between their fingerprints."""

    one: int
    other: int
    max_length_diff: int
    min_score: float = 0.0


def find_duplicates(databases: Databases, limit: int) -> list[Duplicate]:
    """Return pairs of tracks that share an MBID and match, at most `limit`.

    By the public service's rule for merging tracks, each fingerprint of one track must match each
    fingerprint of the other. Nothing is written.
    """
    with databases.engine("fingerprint", read_only=True).connect() as connection:
        found = list(islice(_pairs(connection), limit))
        ids = {track_id for _, pair in found for track_id in (pair.one, pair.other)}
        gids = tracks.track_gids(connection, ids)
    return [
        Duplicate(gids[pair.one], gids[pair.other], mbid, pair.min_score, pair.max_length_diff)
        for mbid, pair in found
    ]


def _pairs(connection: sa.Connection) -> Iterator[tuple[UUID, _Pair]]:
    """Yield matching pairs with an MBID that they share, in the order of MBIDs, each pair once."""
    seen: set[tuple[int, int]] = set()
    for shared in _shared_mbids(connection):
        members = _members(connection, {track_id for ids in shared.values() for track_id in ids})
        for mbid, track_ids in shared.items():
            known = sorted(track_id for track_id in track_ids if track_id in members)
            for pair in _matching(known, members):
                if pair[:2] not in seen:
                    seen.add(pair[:2])
                    yield mbid, pair


def _shared_mbids(connection: sa.Connection) -> Iterator[dict[UUID, list[int]]]:
    """Yield MBIDs that several tracks share, with the tracks' ids, in chunks."""
    after: UUID | None = None
    while shared := mbid_links.shared_mbids(connection, after, _CHUNK):
        yield shared
        after = max(shared)


def _members(connection: sa.Connection, track_ids: set[int]) -> Members:
    members: dict[int, list[StoredFingerprint]] = {}
    for stored in fingerprints.of_tracks(connection, track_ids):
        members.setdefault(stored.track_id, []).append(stored)
    return members


def _matching(track_ids: Sequence[int], members: Members) -> list[_Pair]:
    """Return the pairs of tracks that match; all are compared in one pass."""
    pairs = [
        _Pair(one, other, _max_length_diff(members[one], members[other]))
        for one, other in combinations(track_ids, 2)
    ]
    near = [pair for pair in pairs if pair.max_length_diff <= DUPLICATE_MAX_LENGTH_DIFF]
    scored = zip(near, _min_scores(near, members), strict=True)
    return [
        pair._replace(min_score=score)
        for pair, score in scored
        if score >= DUPLICATE_TRACK_THRESHOLD
    ]


def _max_length_diff(one: Sequence[StoredFingerprint], other: Sequence[StoredFingerprint]) -> int:
    """Return the largest difference in length (seconds) between fingerprints of two tracks."""
    lengths, others = ([stored.length for stored in side] for side in (one, other))
    return max(max(lengths) - min(others), max(others) - min(lengths))


def _min_scores(pairs: Sequence[_Pair], members: Members) -> list[float]:
    """Return the lowest score between fingerprints of the two tracks, for each pair of tracks."""
    if not pairs:
        return []
    ids = {track_id for pair in pairs for track_id in (pair.one, pair.other)}
    stored = [each for track_id in ids for each in members[track_id]]
    rows = {each.id: row for row, each in enumerate(stored)}
    compared = [
        [(rows[a.id], rows[b.id]) for a, b in product(members[pair.one], members[pair.other])]
        for pair in pairs
    ]
    left, right = zip(*chain.from_iterable(compared), strict=True)
    words = [each.words for each in stored]
    starts = np.cumsum([0, *(len(each) for each in compared[:-1])])
    worst = np.minimum.reduceat(compare2_batch(words, words, (left, right)), starts)
    return [float(score) for score in worst]

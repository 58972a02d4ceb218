"""The third stage of a lookup: searches the index and scores all candidates in one pass."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog.fingerprint import fingerprints, tracks
from pipeline.catalog.fingerprint.fingerprints import CandidateFingerprint, TrackIds
from pipeline.fingerprint.compare import compare2_batch
from pipeline.fingerprint.public_part import PUBLIC_WORDS, public_part
from pipeline.fingerprint.query import extract_query_batch
from pipeline.fingerprint_store import Found, StoreRow
from pipeline.index.interface import FingerprintIndex
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.messages import Lookup, LookupBatch, TrackHit
from pipeline.runtime.databases import Databases
from pipeline.thresholds import (
    LOOKUP_INDEX_LIMIT,
    LOOKUP_INDEX_MIN_SCORE,
    LOOKUP_INDEX_SCORE_PCT,
    LOOKUP_MATCH_THRESHOLD,
    LOOKUP_MAX_COMPARED,
    LOOKUP_MAX_RESULTS,
)

Ranking = list[tuple[float, int]]
"""Negated score and id of the fingerprints that match a lookup, best first, then by id."""


@dataclass(frozen=True, slots=True)
class _Query:
    """A lookup by fingerprint, with its candidates from the index."""

    lookup: Lookup
    words: NDArray[np.uint32]  # those that the public algorithm uses
    candidates: list[int]  # fingerprint ids, most terms in common first
    partial: bool  # a limit on postings may have left out candidates

    def accepts(self, length: int) -> bool:
        """Return whether a fingerprint of this length (seconds) may be a result."""
        return abs(length - self.lookup.duration) <= self.lookup.max_duration_diff


def score_lookups(
    batch: LookupBatch,
    index: FingerprintIndex,
    databases: Databases,
    store: TrustedStore | None = None,
    *,
    max_postings: int | None = None,
    timeout: float | None = None,
) -> LookupBatch:
    """Set the tracks that each lookup finds, best first, at most `LOOKUP_MAX_RESULTS`.

    A lookup without hits that gets a second chance keeps its words.

    Args:
        batch: a batch of validated lookups.
        index: the index that is searched for candidates.
        databases: the candidates and their tracks are in the fingerprint database.
        store: a store that is read before the database.
        max_postings: maximum number of postings that find candidates; None for an exact search.
            The attribute `partial` of a lookup is set if it may have left out hits.
        timeout: maximum seconds for the search of the index; None for no limit.

    Raises:
        SearchTimeout: the search exceeded the timeout.
    """
    lookups = [lookup for lookup in batch.lookups if lookup.words]
    queries = _search(lookups, index, max_postings, timeout)
    ranked, stored = _rank(queries, databases, store)
    resolve_track_ids([lookup for lookup in batch.lookups if lookup.track_gid], databases)
    for query, found in zip(queries, ranked, strict=True):
        query.lookup.hits = _best_tracks(found, stored)
        if query.lookup.hits or not query.lookup.second_chance:
            query.lookup.words = b""
        query.lookup.partial = query.partial
    return batch


def rank_fingerprints(
    lookups: Sequence[Lookup],
    index: FingerprintIndex,
    databases: Databases,
    store: TrustedStore | None = None,
    *,
    max_postings: int | None = None,
    timeout: float | None = None,
) -> tuple[list[Ranking], dict[int, CandidateFingerprint]]:
    """Return the fingerprints that match each lookup, and all fetched candidates by id.

    Args:
        lookups: lookups with words.
        index: the index that is searched for candidates.
        databases: the candidates and their tracks are in the fingerprint database.
        store: a store that is read before the database.
        max_postings: maximum number of postings that find candidates; None for an exact search.
        timeout: maximum seconds for the search of the index; None for no limit.

    Raises:
        SearchTimeout: the search exceeded the timeout.
    """
    return _rank(_search(lookups, index, max_postings, timeout), databases, store)


def _rank(
    queries: Sequence[_Query], databases: Databases, store: TrustedStore | None
) -> tuple[list[Ranking], dict[int, CandidateFingerprint]]:
    stored = _fetch(queries, databases, store)
    return _score(queries, stored), stored


def _search(
    lookups: Sequence[Lookup],
    index: FingerprintIndex,
    max_postings: int | None,
    timeout: float | None,
) -> list[_Query]:
    if not lookups:
        return []  # lookups by track id need no index
    words = [public_part(np.frombuffer(lookup.words, dtype="<u4")) for lookup in lookups]
    hits = index.search(
        list(extract_query_batch(words)),
        limit=LOOKUP_INDEX_LIMIT,
        min_score=LOOKUP_INDEX_MIN_SCORE,
        score_pct=LOOKUP_INDEX_SCORE_PCT,
        max_postings=max_postings,
        timeout=timeout,
    )
    return [
        _Query(lookup, each, found.ids.tolist(), found.partial)
        for lookup, each, found in zip(lookups, words, hits, strict=True)
    ]


def _fetch(
    queries: Sequence[_Query], databases: Databases, store: TrustedStore | None
) -> dict[int, CandidateFingerprint]:
    """Return the candidates of all lookups with a length that at least one of them may accept."""
    lookups = [query.lookup for query in queries]
    shortest = min((each.duration - each.max_duration_diff for each in lookups), default=0)
    longest = max((each.duration + each.max_duration_diff for each in lookups), default=0)
    wanted = {fingerprint_id for query in queries for fingerprint_id in query.candidates}
    return fetch(databases, store, wanted, shortest, longest, most_words=PUBLIC_WORDS)


def _score(queries: Sequence[_Query], stored: Mapping[int, CandidateFingerprint]) -> list[Ranking]:
    order = {fingerprint_id: position for position, fingerprint_id in enumerate(stored)}
    pairs = [
        (number, fingerprint_id)
        for number, query in enumerate(queries)
        for fingerprint_id in _compared(query, stored)
    ]
    scores = compare2_batch(
        [fingerprint.words for fingerprint in stored.values()],
        [query.words for query in queries],
        ([order[key] for _, key in pairs], [number for number, _ in pairs]),
    )
    ranked: list[Ranking] = [[] for _ in queries]
    for (number, fingerprint_id), score in zip(pairs, scores.tolist(), strict=True):
        if score > LOOKUP_MATCH_THRESHOLD:
            ranked[number].append((-score, fingerprint_id))
    return [sorted(found) for found in ranked]


def _compared(query: _Query, stored: Mapping[int, CandidateFingerprint]) -> list[int]:
    """Return the first candidates with an accepted length, at most `LOOKUP_MAX_COMPARED`."""
    return [
        fingerprint_id
        for fingerprint_id in query.candidates
        if fingerprint_id in stored and query.accepts(stored[fingerprint_id].length)
    ][:LOOKUP_MAX_COMPARED]


def _best_tracks(ranked: Ranking, stored: Mapping[int, CandidateFingerprint]) -> list[TrackHit]:
    """Return the tracks of the best fingerprints, each once and with its best score."""
    best: dict[int, TrackHit] = {}
    for negated, fingerprint_id in ranked:
        track = stored[fingerprint_id].track
        if track.id not in best:
            best[track.id] = TrackHit(track.id, track.gid, shortest_decimal(-negated))
            if len(best) == LOOKUP_MAX_RESULTS:
                break
    return list(best.values())


def shortest_decimal(score: float) -> float:
    """Return the shortest decimal of a single-precision score, as PostgreSQL prints it."""
    return float(str(np.float32(score)))


def resolve_track_ids(lookups: Sequence[Lookup], databases: Databases) -> None:
    """Set the hits of lookups by track id: the current track, with the id that the client sent.

    Args:
        lookups: lookups by track id.
        databases: the tracks are in the fingerprint database.
    """
    if not lookups:
        return
    gids = {lookup.track_gid: UUID(lookup.track_gid) for lookup in lookups}
    with databases.reading("fingerprint") as connection:
        resolved = tracks.resolve_tracks(connection, gids.values())
    for lookup in lookups:
        track_id = resolved.get(gids[lookup.track_gid])
        lookup.hits = [] if track_id is None else [TrackHit(track_id, lookup.track_gid, 1.0)]


def fetch(
    databases: Databases,
    store: TrustedStore | None,
    ids: Collection[int],
    shortest: int,
    longest: int,
    *,
    most_words: int | None = None,
) -> dict[int, CandidateFingerprint]:
    """Return the fingerprints with these ids and a length within the bounds (seconds), by id.

    Args:
        databases: rows that are not in the store are read from the fingerprint database.
        store: a store that is read before the database.
        ids: the ids of the fingerprints.
        shortest: minimum length, in seconds.
        longest: maximum length, in seconds.
        most_words: number of words that are read of each, from the first one; None for all.
    """
    copied = (
        store.find(ids, shortest, longest, most_words=most_words) if store else Found({}, list(ids))
    )
    found = {key: _candidate(row) for key, row in copied.rows.items()}
    if copied.missing:
        # A single statement without a transaction saves the round trips of BEGIN and ROLLBACK.
        with databases.reading("fingerprint") as connection:
            found |= fingerprints.candidates(
                connection, copied.missing, shortest, longest, most_words
            )
    return found


def _candidate(row: StoreRow) -> CandidateFingerprint:
    track = TrackIds(row.track_id, str(UUID(bytes=row.track_gid)))
    return CandidateFingerprint(row.length, row.words, track)

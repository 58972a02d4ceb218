"""The third stage for lookups: find candidates in the index and score them all in one pass."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog.fingerprint import fingerprints, tracks
from pipeline.catalog.fingerprint.fingerprints import CandidateFingerprint, TrackIds
from pipeline.fingerprint.compare import compare2_batch
from pipeline.fingerprint.query import extract_query_batch
from pipeline.fingerprint_store import Found, StoreRow
from pipeline.index.interface import FingerprintIndex
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.messages import Lookup, LookupBatch, TrackHit
from pipeline.rules import (
    LOOKUP_INDEX_LIMIT,
    LOOKUP_INDEX_MIN_SCORE,
    LOOKUP_INDEX_SCORE_PCT,
    LOOKUP_MATCH_THRESHOLD,
    LOOKUP_MAX_COMPARED,
    LOOKUP_MAX_POSTINGS,
    LOOKUP_MAX_RESULTS,
)
from pipeline.runtime.databases import Databases

Ranking = list[tuple[float, int]]
"""Negated score and id of the fingerprints that match a lookup, best first, then by id."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A lookup by fingerprint and the fingerprints that the index offers for it."""

    lookup: Lookup
    words: NDArray[np.uint32]
    candidates: list[int]  # fingerprint ids, most terms in common first

    def accepts(self, length: int) -> bool:
        """Return whether a fingerprint of this length (seconds) may be the same recording."""
        return abs(length - self.lookup.duration) <= self.lookup.max_duration_diff


def score_lookups(
    batch: LookupBatch,
    index: FingerprintIndex,
    databases: Databases,
    store: TrustedStore | None = None,
) -> LookupBatch:
    """Fill in the tracks that each lookup finds, best first, at most ten.

    Args:
        batch: of lookups.
        index: to search for candidates.
        databases: of which the fingerprint database has the candidates and their tracks.
        store: where to look for the candidates first.
    """
    lookups = [lookup for lookup in batch.lookups if lookup.words]
    ranked, stored = rank_fingerprints(lookups, index, databases, store)
    _resolve_track_ids([lookup for lookup in batch.lookups if lookup.track_gid], databases)
    for lookup, found in zip(lookups, ranked, strict=True):
        lookup.words = b""
        lookup.hits = _best_tracks(found, stored)
    return batch


def rank_fingerprints(
    lookups: Sequence[Lookup],
    index: FingerprintIndex,
    databases: Databases,
    store: TrustedStore | None = None,
) -> tuple[list[Ranking], dict[int, CandidateFingerprint]]:
    """Return the fingerprints that match each lookup, and all fetched candidates by id.

    Args:
        lookups: with words.
        index: to search for candidates.
        databases: of which the fingerprint database has the candidates and their tracks.
        store: to read the candidates from first.
    """
    questions = _search(lookups, index)
    stored = _fetch(questions, databases, store)
    return _score(questions, stored), stored


def _search(lookups: Sequence[Lookup], index: FingerprintIndex) -> list[_Question]:
    words = [np.frombuffer(lookup.words, dtype="<u4") for lookup in lookups]
    hits = index.search(
        list(extract_query_batch(words)),
        limit=LOOKUP_INDEX_LIMIT,
        min_score=LOOKUP_INDEX_MIN_SCORE,
        score_pct=LOOKUP_INDEX_SCORE_PCT,
        max_postings=LOOKUP_MAX_POSTINGS,
    )
    return [
        _Question(lookup, each, found.ids.tolist())
        for lookup, each, found in zip(lookups, words, hits, strict=True)
    ]


def _fetch(
    questions: Sequence[_Question], databases: Databases, store: TrustedStore | None
) -> dict[int, CandidateFingerprint]:
    """Fetch the candidates of all questions whose length any of them could accept."""
    lookups = [question.lookup for question in questions]
    shortest = min((each.duration - each.max_duration_diff for each in lookups), default=0)
    longest = max((each.duration + each.max_duration_diff for each in lookups), default=0)
    wanted = {fingerprint_id for question in questions for fingerprint_id in question.candidates}
    return fetch(databases, store, wanted, shortest, longest)


def _score(
    questions: Sequence[_Question], stored: Mapping[int, CandidateFingerprint]
) -> list[Ranking]:
    order = {fingerprint_id: position for position, fingerprint_id in enumerate(stored)}
    pairs = [
        (number, fingerprint_id)
        for number, question in enumerate(questions)
        for fingerprint_id in _compared(question, stored)
    ]
    scores = compare2_batch(
        [fingerprint.words for fingerprint in stored.values()],
        [question.words for question in questions],
        ([order[key] for _, key in pairs], [number for number, _ in pairs]),
    )
    ranked: list[Ranking] = [[] for _ in questions]
    for (number, fingerprint_id), score in zip(pairs, scores.tolist(), strict=True):
        if score > LOOKUP_MATCH_THRESHOLD:
            ranked[number].append((-score, fingerprint_id))
    return [sorted(found) for found in ranked]


def _compared(question: _Question, stored: Mapping[int, CandidateFingerprint]) -> list[int]:
    """Return the candidates of a fitting length that are worth comparing."""
    return [
        fingerprint_id
        for fingerprint_id in question.candidates
        if fingerprint_id in stored and question.accepts(stored[fingerprint_id].length)
    ][:LOOKUP_MAX_COMPARED]


def _best_tracks(ranked: Ranking, stored: Mapping[int, CandidateFingerprint]) -> list[TrackHit]:
    """Return the tracks of the best fingerprints, each once, with its best score."""
    best: dict[int, TrackHit] = {}
    for negated, fingerprint_id in ranked:
        track = stored[fingerprint_id].track
        if track.id not in best:
            best[track.id] = TrackHit(track.id, track.gid, shortest_decimal(-negated))
            if len(best) == LOOKUP_MAX_RESULTS:
                break
    return list(best.values())


def shortest_decimal(score: float) -> float:
    """Return a single-precision score as the shortest decimal that means it, as SQL shows it."""
    return float(str(np.float32(score)))


def _resolve_track_ids(lookups: Sequence[Lookup], databases: Databases) -> None:
    """Answer the lookups by track id: the track itself, under the id that was asked for."""
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
) -> dict[int, CandidateFingerprint]:
    """Return the fingerprints with these ids and a length within the bounds (seconds), by id.

    Args:
        databases: of which the fingerprint database has what the store lacks.
        store: where to look first.
        ids: of the fingerprints.
        shortest: the least length of interest, in seconds.
        longest: the greatest.
    """
    copied = store.find(ids, shortest, longest) if store else Found({}, list(ids))
    found = {key: _candidate(row) for key, row in copied.rows.items()}
    if copied.missing:
        # A single statement: without a transaction, nothing else travels to the server and back.
        with databases.reading("fingerprint") as connection:
            found |= fingerprints.candidates(connection, copied.missing, shortest, longest)
    return found


def _candidate(row: StoreRow) -> CandidateFingerprint:
    track = TrackIds(row.track_id, str(UUID(bytes=row.track_gid)))
    return CandidateFingerprint(row.length, row.words, track)

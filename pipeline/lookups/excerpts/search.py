"""Finds the recordings that contain excerpts: candidates, their words, and alignments.

A batch needs one search of the sketch index, one read of the candidates and, unless their words are
very many, one call that aligns all pairs.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog.fingerprint.fingerprints import CandidateFingerprint
from pipeline.excerpts.alignment import align_batch
from pipeline.excerpts.candidates import find_candidates
from pipeline.excerpts.significance import MAX_FALSE_MATCHES, expected_false_matches, score
from pipeline.fingerprint.ragged import Ragged
from pipeline.index import SearchTimeout
from pipeline.lookups.score import fetch
from pipeline.lookups.trusted_sketch import UsableSketch
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.messages import Lookup, RecordingPart, TrackHit
from pipeline.runtime.databases import Databases
from pipeline.thresholds import LOOKUP_MAX_RESULTS

WORDS_AT_ONCE: Final = 2**22
"""Words of recordings that are aligned between two checks of the deadline: 4,000 times 120 s."""

_LONGEST: Final = 2**15 - 1
"""Seconds; the length of a fingerprint is stored in 16 bits."""

_TIME_DIGITS: Final = 2
_SHARE_DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class _Match:
    """A recording that contains an excerpt."""

    log10_chance: float  # log10 of the probability that unrelated music agrees as well
    fingerprint_id: int
    part: RecordingPart


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Pairs of an excerpt and a candidate, by ascending excerpt.

    Attributes:
        queries: words of each excerpt.
        documents: words of each candidate.
        left: the row number in `queries` of each pair, int64[n].
        right: the row number in `documents` of each pair, int64[n].
    """

    queries: Ragged
    documents: Ragged
    left: NDArray[np.int64]
    right: NDArray[np.int64]


def find_excerpts(
    lookups: Sequence[Lookup],
    sketch: UsableSketch,
    databases: Databases,
    store: TrustedStore | None,
    timeout: float,
) -> None:
    """Set the tracks that contain each excerpt, best first, at most `LOOKUP_MAX_RESULTS`.

    Each track is in the result once, with its best match. It is accepted if fewer than
    `MAX_FALSE_MATCHES` false matches are expected in the whole catalogue.

    Args:
        lookups: lookups with words, at least one. The words are not changed.
        sketch: is searched for candidates.
        databases: the candidates and their tracks are in the fingerprint database.
        store: a store that is read before the database.
        timeout: maximum seconds for the search of the index and the alignment. It can be exceeded
            by the alignment of `WORDS_AT_ONCE` words.

    Raises:
        SearchTimeout: they exceeded the timeout. No lookup has hits then.
        IndexUnusable: the sketch index is not usable any more.
    """
    if timeout <= 0:
        raise SearchTimeout("the deadline of the lookups has passed")
    ends = time.monotonic() + timeout
    queries = Ragged.of([np.frombuffer(lookup.words, dtype="<u4") for lookup in lookups])
    found = [
        ids.tolist() for ids in find_candidates(sketch.index, queries, sketch.rate, timeout=timeout)
    ]
    wanted = {fingerprint_id for ids in found for fingerprint_id in ids}
    stored = fetch(databases, store, wanted, 0, _LONGEST) if wanted else {}
    matches = _matches(queries, found, stored, sketch.recordings(), ends)
    for lookup, accepted in zip(lookups, matches, strict=True):
        lookup.hits = _best_tracks(accepted, stored)


def _matches(
    queries: Ragged,
    found: Sequence[Sequence[int]],
    stored: Mapping[int, CandidateFingerprint],
    recordings: int,
    ends: float,
) -> list[list[_Match]]:
    """Return the accepted matches of each excerpt.

    Args:
        queries: words of each excerpt.
        found: ids of the candidates of each excerpt.
        stored: the candidates that exist, by id.
        recordings: number of recordings among which the index searched.
        ends: time of `time.monotonic` at which the alignment ends.
    """
    order = {fingerprint_id: row for row, fingerprint_id in enumerate(stored)}
    pairs = [(row, each) for row, ids in enumerate(found) for each in ids if each in stored]
    aligned = _align(
        _Pairs(
            queries,
            Ragged.of([each.words for each in stored.values()]),
            np.array([row for row, _ in pairs], dtype=np.int64),
            np.array([order[each] for _, each in pairs], dtype=np.int64),
        ),
        ends,
    )
    matches: list[list[_Match]] = [[] for _ in queries]
    for (row, fingerprint_id), (part, log10_chance) in zip(pairs, aligned, strict=True):
        if float(expected_false_matches(log10_chance, recordings)) <= MAX_FALSE_MATCHES:
            matches[row].append(_Match(log10_chance, fingerprint_id, part))
    return matches


def _align(pairs: _Pairs, ends: float) -> Iterator[tuple[RecordingPart, float]]:
    """Yield the aligned part of each pair, and the log10 of its chance; check the deadline."""
    for some in _groups(pairs):
        if time.monotonic() >= ends:
            raise SearchTimeout("the alignment did not end in time")
        found = align_batch(pairs.queries, pairs.documents, (pairs.left[some], pairs.right[some]))
        columns = (found.offset, found.duration, found.matched, found.log10_chance)
        rows = zip(*(each.tolist() for each in columns), strict=True)
        yield from ((RecordingPart(*part), log10_chance) for *part, log10_chance in rows)


def _groups(pairs: _Pairs) -> Iterator[slice]:
    """Yield consecutive pairs whose recordings have about `WORDS_AT_ONCE` words."""
    sizes = np.diff(pairs.documents.offsets)
    numbers = np.cumsum(sizes[pairs.right]) // WORDS_AT_ONCE
    bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), numbers.size]
    for first, last in pairwise(bounds):
        if last > first:
            yield slice(first, last)


def _best_tracks(
    matches: Sequence[_Match], stored: Mapping[int, CandidateFingerprint]
) -> list[TrackHit]:
    best: dict[int, TrackHit] = {}
    for match in sorted(matches, key=lambda each: (each.log10_chance, each.fingerprint_id)):
        track = stored[match.fingerprint_id].track
        if track.id not in best:
            rounded = round(float(score(match.part.matched)), _SHARE_DIGITS)
            best[track.id] = TrackHit(track.id, track.gid, rounded, _rounded(match.part))
            if len(best) == LOOKUP_MAX_RESULTS:
                break
    return list(best.values())


def _rounded(part: RecordingPart) -> RecordingPart:
    return RecordingPart(
        round(part.offset, _TIME_DIGITS) + 0.0,  # never -0.0
        round(part.duration, _TIME_DIGITS),
        round(part.matched, _SHARE_DIGITS),
    )

"""Finds the recordings that contain excerpts: candidates, their words, and alignments.

A batch needs one search of the sketch index, then one read of the best candidates and, unless their
words are very many, one call that aligns all pairs. Excerpts without a match need the same again
for their other candidates.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog.fingerprint.fingerprints import CandidateFingerprint
from pipeline.excerpts.alignment import Alignments, align_batch
from pipeline.excerpts.candidates import find_candidates
from pipeline.excerpts.significance import agreeing_seconds, is_match, score
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

FIRST_CANDIDATES: Final = 10
"""The best candidates of an excerpt, which are aligned first. The others only follow if none of
these matches: that is seldom, and most of the time goes into the alignment."""

_LONGEST: Final = 2**15 - 1
"""Seconds; the length of a fingerprint is stored in 16 bits."""

_TIME_DIGITS: Final = 2
_SHARE_DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class _Match:
    """A recording that contains an excerpt."""

    agreeing: float  # seconds that agree above chance
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

    Each track is in the result once, with its best match: that with the most seconds that agree
    above chance, then that with the lowest fingerprint id. `is_match` tells which are accepted.

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
    stored: dict[int, CandidateFingerprint] = {}
    matches: list[list[_Match]] = [[] for _ in lookups]
    for some in (slice(FIRST_CANDIDATES), slice(FIRST_CANDIDATES, None)):
        tried = [[] if each else ids[some] for each, ids in zip(matches, found, strict=True)]
        wanted = {fingerprint_id for ids in tried for fingerprint_id in ids} - stored.keys()
        if wanted:
            stored |= fetch(databases, store, wanted, 0, _LONGEST)
        _add_matches(matches, queries, tried, stored, sketch, ends)
    for lookup, accepted in zip(lookups, matches, strict=True):
        lookup.hits = _best_tracks(accepted, stored)


def _add_matches(
    matches: Sequence[list[_Match]],
    queries: Ragged,
    tried: Sequence[Sequence[int]],
    stored: Mapping[int, CandidateFingerprint],
    sketch: UsableSketch,
    ends: float,
) -> None:
    """Add the accepted matches among some candidates of each excerpt.

    Args:
        matches: receives them, by excerpt.
        queries: words of each excerpt.
        tried: ids of the candidates of each excerpt.
        stored: the candidates that exist, by id, and any others.
        sketch: has the number of recordings among which the index searched.
        ends: time of `time.monotonic` at which the alignment ends.
    """
    pairs = [(row, each) for row, ids in enumerate(tried) for each in ids if each in stored]
    if not pairs:
        return
    order = {each: row for row, each in enumerate(dict.fromkeys(each for _, each in pairs))}
    aligned = _align(
        _Pairs(
            queries,
            Ragged.of([stored[each].words for each in order]),
            np.array([row for row, _ in pairs], dtype=np.int64),
            np.array([order[each] for _, each in pairs], dtype=np.int64),
        ),
        ends,
    )
    recordings = sketch.recordings()
    for some, found in aligned:
        agreeing = agreeing_seconds(found.duration, found.matched)
        for place in np.flatnonzero(is_match(found.log10_chance, recordings)).tolist():
            row, fingerprint_id = pairs[some.start + place]
            part = RecordingPart(
                *(float(each[place]) for each in (found.offset, found.duration, found.matched))
            )
            matches[row].append(_Match(float(agreeing[place]), fingerprint_id, part))


def _align(pairs: _Pairs, ends: float) -> Iterator[tuple[slice, Alignments]]:
    """Yield the alignments of groups of pairs, and which pairs these are; check the deadline."""
    for some in _groups(pairs):
        if time.monotonic() >= ends:
            raise SearchTimeout("the alignment did not end in time")
        yield (
            some,
            align_batch(pairs.queries, pairs.documents, (pairs.left[some], pairs.right[some])),
        )


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
    for match in sorted(matches, key=lambda each: (-each.agreeing, each.fingerprint_id)):
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

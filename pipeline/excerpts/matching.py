"""Compares excerpts with their candidates, and accepts matches that chance does not explain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.excerpts.alignment import align_batch
from pipeline.excerpts.significance import MAX_FALSE_MATCHES, expected_false_matches
from pipeline.fingerprint.words import Words


@dataclass(frozen=True, slots=True)
class ExcerptMatch:
    """The best alignment of an excerpt with one fingerprint.

    Attributes:
        fingerprint_id: the id of the fingerprint.
        offset: place in the fingerprint's audio of the excerpt's first word, in seconds.
        duration: seconds of the excerpt that are aligned.
        matched: share of equal bits in them, 0…1.
        log10_chance: log10 of the probability that unrelated music agrees as well.
    """

    fingerprint_id: int
    offset: float
    duration: float
    matched: float
    log10_chance: float

    def is_accepted(self, recordings: int) -> bool:
        """Return whether the match is significant in an index of so many recordings."""
        return expected_false_matches(self.log10_chance, recordings) <= MAX_FALSE_MATCHES


def compare_candidates(
    queries: Sequence[Words],
    candidates: Sequence[NDArray[np.uint32]],
    words: Mapping[int, Words],
) -> list[list[ExcerptMatch]]:
    """Align each query with its candidates, all in one pass.

    Args:
        queries: the words of each query.
        candidates: the fingerprint ids of each query's candidates.
        words: the words of candidates by id. Candidates that it lacks are left out.

    Returns:
        The matches of each query, accepted or not, the least probable by chance first.
    """
    rows = {key: row for row, key in enumerate(words)}
    pairs = [
        (query, key)
        for query, keys in enumerate(candidates)
        for key in keys.tolist()
        if key in rows
    ]
    found = align_batch(
        queries,
        list(words.values()),
        ([query for query, _ in pairs], [rows[key] for _, key in pairs]),
    )
    columns = (found.offset, found.duration, found.matched, found.log10_chance)
    matches: list[list[ExcerptMatch]] = [[] for _ in queries]
    for (query, key), *values in zip(pairs, *(each.tolist() for each in columns), strict=True):
        matches[query].append(ExcerptMatch(key, *values))
    return [sorted(each, key=lambda match: match.log10_chance) for each in matches]

"""Recall against the length of pieces that are cut from stored fingerprints.

A piece starts at a word, so its words lie as those of the whole copy do. Fingerprints of pieces of
audio, as the kinds `excerpt*` are, may lie between them: they agree a little less.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from bench.identification.algorithms import Query, ask_excerpts
from bench.identification.catalogue import Catalogue
from bench.identification.metrics import judge
from bench.identification.recordings import WORD_SECONDS, Recording, same_music
from pipeline.fingerprint.words import Words

LENGTHS: Final = (5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60)
"""Lengths of pieces in seconds."""

SOURCES: Final = ("mp3_96k", "noise_aac64", "phone", "mic")
"""The kinds of variants from which pieces are cut."""

_LOST: Final = 21
"""The words that a fingerprint has less than steps of `WORD_SECONDS` fit into its audio."""


def word_count(seconds: float) -> int:
    """Return the number of words in the fingerprint of so many seconds of audio, at least 1."""
    return max(1, int(seconds / WORD_SECONDS) - _LOST)


def cut(words: Words, seconds: float, random: np.random.Generator) -> Query:
    """Return a piece of so many seconds from a random place, or all words if they are fewer."""
    count = word_count(seconds)
    start = int(random.integers(0, max(1, words.size - count + 1)))
    return Query(words[start : start + count], seconds, is_excerpt=True)


def measure_lengths(
    catalogue: Catalogue, recordings: Sequence[Recording], seed: int
) -> Mapping[str, Mapping[int, float]]:
    """Return the recall of pieces by kind of variant and by length in seconds.

    One piece of each length is cut from each variant of `SOURCES`.

    Args:
        catalogue: a catalogue with all recordings.
        recordings: the recordings whose variants are cut.
        seed: chooses the places.
    """
    random = np.random.default_rng(seed)
    found: dict[str, dict[int, float]] = {}
    for kind in SOURCES:
        chosen = [(one, each) for one in recordings if (each := one.variant(kind))]
        for seconds in LENGTHS if chosen else ():
            queries = [cut(each.words, seconds, random) for _, each in chosen]
            found.setdefault(kind, {})[seconds] = _recall(
                catalogue, [one for one, _ in chosen], queries
            )
    return found


def _recall(
    catalogue: Catalogue, recordings: Sequence[Recording], queries: Sequence[Query]
) -> float:
    is_found = [
        judge(
            answer,
            catalogue.number(one.id),
            catalogue.numbers(same_music(one.id)),
            place=0.0,
        ).is_found
        for one, answer in zip(recordings, ask_excerpts(catalogue, queries), strict=True)
    ]
    return sum(is_found) / len(is_found)

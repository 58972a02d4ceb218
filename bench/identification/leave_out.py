"""False matches: queries of recordings that are not in the catalogue.

One half of the recordings is left out, then the other one. Recordings with music in common are in
the same half. Distractors may have words of real recordings, so each is made from one half, and
left out with it.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.identification.algorithms import Query, ask_excerpts, least_chances
from bench.identification.catalogue import Catalogue
from bench.identification.kinds import ask
from bench.identification.pieces import cut
from bench.identification.recordings import Recording, related

SHORTEST, LONGEST = 5.0, 30.0  # seconds of a piece


@dataclass(frozen=True, slots=True)
class FalseMatches:
    """The false matches of some queries.

    Attributes:
        queries: number of queries.
        public: number of them to which the public algorithm gives a result.
        both: number of them to which both algorithms together give a result.
    """

    queries: int
    public: int
    both: int


@dataclass(frozen=True, slots=True)
class Pieces:
    """Pieces of recordings that are not in the catalogue.

    Attributes:
        recordings: number of recordings from which pieces were cut.
        pieces: number of pieces.
        matches: number of them with an accepted match.
        expected: log10 of the number of false matches that are expected at the best candidate of
            each piece.
    """

    recordings: int
    pieces: int
    matches: int
    expected: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Half:
    """One half of the recordings, which is left out.

    Attributes:
        recordings: the recordings.
        distractors: the numbers of the distractors that were made from them.
    """

    recordings: Sequence[Recording]
    distractors: Sequence[int] = ()


def split(recordings: Sequence[Recording], seed: int) -> tuple[list[Recording], list[Recording]]:
    """Divide recordings into two halves at random. Music in common is in one half."""
    groups: dict[str, list[Recording]] = {}
    for each in recordings:
        groups.setdefault(min(related(each.id)), []).append(each)
    halves: tuple[list[Recording], list[Recording]] = ([], [])
    ordered = list(groups.values())
    for place in np.random.default_rng(seed).permutation(len(ordered)).tolist():
        min(halves, key=len).extend(ordered[place])
    return halves


def measure_false_matches(
    catalogue: Catalogue, halves: Sequence[Half], pieces: int, seed: int
) -> tuple[Mapping[str, FalseMatches], Pieces]:
    """Identify variants and pieces of recordings while they are not in the catalogue.

    Args:
        catalogue: a catalogue with all recordings.
        halves: the recordings that are left out together.
        pieces: number of pieces.
        seed: chooses the pieces.

    Returns:
        The false matches by kind of variant, and those of pieces. Variants that contain a part of
        another recording are left out.
    """
    queries, public, both = Counter[str](), Counter[str](), Counter[str]()
    expected: list[float] = []
    matches = 0
    for place, half in enumerate(halves):
        numbers = [catalogue.number(each.id) for each in half.recordings]
        with catalogue.without([*numbers, *half.distractors]):
            for each in ask(catalogue, [_without_others(one) for one in half.recordings]):
                kind = each.variant.kind
                queries[kind] += 1
                public[kind] += bool(each.public.numbers)
                both[kind] += bool(each.both.numbers)
            share = (pieces + place) // len(halves)
            cuts = cut_pieces(half.recordings, share, (seed, place))
            matches += sum(bool(each.numbers) for each in ask_excerpts(catalogue, cuts))
            present = math.log10(catalogue.sizes().documents)
            expected += [chance + present for chance in least_chances(catalogue, cuts)]
    kinds = {kind: FalseMatches(queries[kind], public[kind], both[kind]) for kind in queries}
    count = sum(len(half.recordings) for half in halves)
    return kinds, Pieces(count, len(expected), matches, tuple(expected))


def _without_others(recording: Recording) -> Recording:
    """Return a recording without the variants that contain another one, which may be found."""
    variants = tuple(each for each in recording.variants if not each.other)
    return replace(recording, variants=variants)


def cut_pieces(recordings: Sequence[Recording], count: int, seed: tuple[int, ...]) -> list[Query]:
    """Cut pieces of `SHORTEST` to `LONGEST` seconds from recordings and their whole variants.

    Each recording gives as many pieces, up to one. Variants that contain another recording are
    left out.
    """
    random = np.random.default_rng(seed)
    found = []
    for place in range(count):
        recording = recordings[place % len(recordings)]
        variants = _without_others(recording).variants
        whole = [each.words for each in variants if not each.is_excerpt]
        sources = [recording.words, *whole]
        words = sources[int(random.integers(len(sources)))]
        found.append(cut(words, random.uniform(SHORTEST, LONGEST), random))
    return found

"""What the chance of an alignment means: expected false matches, the threshold, the score.

The model: bits of unrelated music agree as coins fall. Neighbouring words resemble each other, so
that a part of n words has fewer independent bits than 32 n: `chance_loops.independent_bits` counts
them from the correlations of both sides. Chernoff's bound gives the probability that a share s of N
independent bits agrees, exp(-N D(s)) with D(s) = log 2 + s log s + (1 - s) log(1 - s). Times the
number of places tried, it is the chance of a pair.

Three constants of the model (`chance_loops`) were set on pairs of 176 real recordings, so that
about a share of 10**-x of them has a chance of at most 10**-x. In 1,040,000 pairs of the same
recordings and their variants, which are not independent, the share was 8.8 % for x = 1, 0.94 %
for 2, 0.071 % for 3, 0.0047 % for 4; 4 pairs for 5. Below 10**-5 the model is not measured.

The model knows no recordings that share samples or loops. In 1,240,000 pairs of excerpts and other
recordings, those without shared music reach 10**-5.7, and one pair with a shared sample 10**-7.2;
recordings that clearly share music reach 10**-10 to 10**-26. `MAX_LOG10_CHANCE` lies between.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_FALSE_MATCHES: Final = 1e-4
"""An alignment counts as a match if at most so many false ones are expected in the whole catalogue.

With a catalogue of n recordings the chance of the pair must be at most 1e-4 / n: by the model, at
most one of 10,000 excerpts of music that is not in the catalogue gets a false match.
"""

MAX_LOG10_CHANCE: Final = -7.5
"""log10 of the highest chance of a match, however small the catalogue is.

It is the stricter limit up to 3,000 recordings. It keeps out recordings that share a sample or a
loop, which the model does not know.
"""


def highest_log10_chance(recordings: int) -> float:
    """Return log10 of the highest chance of a match in a catalogue of so many recordings.

    The expected number of false matches is the sum of the chances of all recordings, an upper bound
    of the probability of one.

    Args:
        recordings: number of recordings in the catalogue; less than 1 counts as 1.
    """
    expected = math.log10(MAX_FALSE_MATCHES) - math.log10(max(recordings, 1))
    return min(MAX_LOG10_CHANCE, expected)


def is_match(log10_chance: ArrayLike, recordings: int) -> NDArray[np.bool_]:
    """Return which alignments count as matches in a catalogue of so many recordings."""
    return np.asarray(np.asarray(log10_chance) <= highest_log10_chance(recordings))


def agreeing_seconds(duration: ArrayLike, matched: ArrayLike) -> NDArray[np.float64]:
    """Return the seconds of alignments that agree above chance, by which matches are ordered.

    This is duration times `score`. The chance is no order: it is about 10**-90 for 25 s of a
    recording that changes a lot, and 10**-30 for two minutes of one that repeats itself.

    Args:
        duration: seconds of each alignment.
        matched: shares of agreeing bits.
    """
    return np.asarray(duration, np.float64) * score(matched)


def score(matched: ArrayLike) -> NDArray[np.float64]:
    """Return the scores of alignments: 2 * matched - 1, limited to 0 to 1.

    The score is 0 if half of the bits agree, as by chance, and 1 if all do.
    """
    return np.clip(2 * np.asarray(matched, np.float64) - 1, 0.0, 1.0)

"""The loops of the significance: how many independent bits a part of a line has."""

from typing import Final

import numpy as np

from pipeline.excerpts.line_loops import Line, Part, agreeing, place_on
from pipeline.fingerprint.words import Words
from pipeline.loops.compiled import compiled

DEPENDENCE: Final = 2.4
"""How many bits of a word count as one: bits of a word, and their changes, depend on each other."""

PERSISTENCE: Final = 0.0105
"""Correlation that does not fall with the lag: recordings differ in how often a bit is set."""

TRIED: Final = 20.0
"""Places of which one counts as an independent trial; see `log10_chance`."""

_SAMPLES: Final = 32  # places at which a correlation is measured
_ALL_LAGS: Final = 12  # lags up to this are all measured; of longer ones every fourth part


@compiled
def independent_bits(short: Words, long: Words, line: Line, part: Part) -> float:
    """Return the number of independent bits of a part: Bartlett's formula for two series.

    If two series are unrelated, the mean of n products of their terms has the variance of
    n / sum((1 - abs(k) / n) * r(k) * s(k)) independent ones, k from -n to n, with the correlations
    r and s of each series at lag k. Here they are the shares of bits that agree at lag k, scaled
    from -1 to 1. A drone or silence has 1 at all lags, so that a part of any length has few bits;
    a loop has 1 at multiples of its period.

    Args:
        short: the shorter side.
        long: the longer side.
        line: the line through both.
        part: the part of the line, not empty.
    """
    size = part.stop - part.start
    total = size + PERSISTENCE * size * size
    lag, step = 1, 1
    while lag < size:
        stride = max(1, (size - lag) // _SAMPLES)
        left, right, words = 0, 0, 0
        for place in range(part.start, part.stop - lag, stride):
            left += agreeing(short[place], short[place + lag])
            right += agreeing(long[place_on(line, place)], long[place_on(line, place + lag)])
            words += 1
        product = (left / (16 * words) - 1) * (right / (16 * words) - 1)
        total += 2 * (size - lag) * product * step
        if lag >= _ALL_LAGS:
            step = max(1, lag // 4)
        lag += step
    return 32 * part.words / DEPENDENCE * min(1.0, size / total)


@compiled
def divergence(share: float) -> float:
    """Return how surprising a share of agreeing bits is, in nats a bit; 0 up to a share of 0.5.

    This is the Kullback-Leibler divergence of the share from 0.5.
    """
    if share <= 0.5:
        return 0.0
    value = np.log(2.0) + share * np.log(share)
    return float(value + (1 - share) * np.log(1 - share) if share < 1 else value)


@compiled
def log10_chance(share: float, bits: float, shorter: int, longer: int) -> float:
    """Return the logarithm of the probability that unrelated music agrees so well anywhere.

    Chernoff's bound of the probability of one place times the number of places. Only places with
    votes are compared, the parts overlap, and the bound is above the probability: as measured on
    unrelated recordings, the number grows as longer ** (2 / 3) * shorter ** (1 / 4).

    Args:
        share: share of agreeing bits.
        bits: number of independent bits.
        shorter: words of the shorter side.
        longer: words of the longer side.

    Returns:
        At most 0.
    """
    tail = -bits * divergence(share) / np.log(10.0)
    places = np.log10(float(longer)) * 2 / 3 + np.log10(float(shorter)) / 4 - np.log10(TRIED)
    return float(min(0.0, tail + places))

"""The loops of the significance: how many independent bits a part of a line has."""

from typing import Final

import numpy as np

from pipeline.excerpts.line_loops import Line, Part, agreeing, place_on
from pipeline.fingerprint.words import Words
from pipeline.loops.compiled import compiled

DEPENDENCE: Final = 2.4
PERSISTENCE: Final = 0.0105
TRIED: Final = 20.0
_SAMPLES: Final = 32
_ALL_LAGS: Final = 12


@compiled
def independent_bits(short: Words, long: Words, line: Line, part: Part) -> float:
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
    return value + (1 - share) * np.log(1 - share) if share < 1 else value


@compiled
def log10_chance(share: float, bits: float, shorter: int, longer: int) -> float:
    tail = -bits * divergence(share) / np.log(10.0)
    places = np.log10(float(longer)) * 2 / 3 + np.log10(float(shorter)) / 4 - np.log10(TRIED)
    return min(0.0, tail + places)

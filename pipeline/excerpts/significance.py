"""How probable it is that unrelated music agrees as well as a match."""

from typing import Final

MAX_FALSE_MATCHES: Final = 1e-6
"""A match is accepted if fewer false matches than this are expected in the whole catalogue."""


def expected_false_matches(log10_chance: float, recordings: int) -> float:
    """Return the expected number of recordings that agree as well by chance."""
    return float(recordings * 10**log10_chance)


def score(matched: float) -> float:
    """Return the score of a match, from 0 (half of the bits agree, as by chance) to 1."""
    return max(0.0, 2 * matched - 1)

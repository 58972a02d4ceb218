"""Synthetic fingerprints for tests: random walks, and copies with a given similarity."""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]


def fingerprint(seed: int, words: int = 948, flips: int = 3) -> Words:
    """Return a random walk: each word differs from the previous one in about `flips` bits."""
    random = np.random.default_rng(seed)
    masks = np.bitwise_or.reduce(
        np.uint32(1) << random.integers(0, 32, (words, flips)).astype(np.uint32), axis=1
    )
    return np.bitwise_xor.accumulate(masks.astype(np.uint32))


def near_copy(words: Words, seed: int, share: float) -> Words:
    """Return a copy with this share of its bits flipped at random: compare2 ≈ 1 - 2·share."""
    random = np.random.default_rng(seed)
    bits = random.random((len(words), 32)) < share
    masks = (bits.astype(np.uint32) << np.arange(32, dtype=np.uint32)).sum(axis=1, dtype=np.uint32)
    return words ^ masks

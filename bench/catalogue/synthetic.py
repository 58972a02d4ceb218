"""Creates synthetic fingerprints and degraded copies of fingerprints.

A fingerprint is a random walk: each word is the previous one with some bits changed by a mask. The
masks come from the real recordings of the sample, which have realistic correlations between bits.
They are thinned to a mean of `CHANGED_BITS`. Two synthetic fingerprints rarely share a query term.
``acoustid bench index`` measures an index with common terms.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from cli.sample.recordings import sample_recordings
from pipeline.fingerprint.codec import decode
from pipeline.fingerprint.words import Words

WORDS: Final = 948  # words of 120 s of audio
CHANGED_BITS: Final = 3.3  # mean number of bits that change from word to word
FLIPPED_SHARE: Final = 0.02  # share of the bits of a degraded copy
MAX_DROPPED: Final = 20  # words missing at the start of a degraded copy: up to 2.5 s

Random = np.random.Generator


@dataclass(frozen=True)
class Synthesizer:
    """Creates fingerprints from a seed. The same arguments give the same fingerprint."""

    seed: int

    @cached_property
    def masks(self) -> Words:
        """The masks to draw from, uint32[n]."""
        random = self.random("masks")
        real = [decode(each.fingerprint).words for each in sample_recordings()]
        return thin(np.concatenate([each[1:] ^ each[:-1] for each in real]), CHANGED_BITS, random)

    def random(self, stream: str, number: int = 0) -> Random:
        """Return the random generator of one number in a stream."""
        entropy = (self.seed, number, *stream.encode())
        return np.random.Generator(np.random.SFC64(entropy))

    def fingerprint(self, stream: str, number: int) -> Words:
        """Return a fingerprint.

        Args:
            stream: the name of a sequence of fingerprints; different streams are independent.
            number: the position in the stream.

        Returns:
            uint32[`WORDS`].
        """
        random = self.random(stream, number)
        words = self.masks[random.integers(0, self.masks.size, WORDS)]
        words[0] = random.integers(0, 1 << 32, dtype=np.uint32)
        return np.bitwise_xor.accumulate(words)


def thin(masks: Words, mean: float, random: Random) -> Words:
    """Clear random bits until the mean number of bits per mask is `mean`.

    Raises:
        ValueError: the mean is lower already.
    """
    kept = mean / float(np.bitwise_count(masks).mean())
    if kept > 1:
        raise ValueError(f"the masks have fewer than {mean} bits on average")
    keep = np.packbits(random.random((masks.size, 32), np.float32) < kept, axis=1)
    return masks & keep.view(np.uint32).ravel()


def flip(words: Words, share: float, random: Random) -> Words:
    """Return a copy with about this share of its bits flipped at random places."""
    bits = random.integers(0, words.size * 32, round(words.size * 32 * share))
    flipped = words.copy()
    np.bitwise_xor.at(flipped, bits >> 5, np.uint32(1) << (bits & 31).astype(np.uint32))
    return flipped


def degrade(words: Words, random: Random) -> Words:
    """Return a degraded copy: 2 % of the bits flipped, up to 20 words removed at the start."""
    dropped = int(random.integers(0, MAX_DROPPED + 1))
    return flip(words[dropped:], FLIPPED_SHARE, random)

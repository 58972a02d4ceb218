"""Makes up fingerprints that look like real ones, and degraded copies of fingerprints.

A fingerprint is a walk: each word is the one before with a mask of changed bits. The masks are
those of the sample catalogue's real recordings, so that bits change together as they do in music,
thinned to `CHANGED_BITS` in the mean. Walks meet by chance only, so hardly two of them share a
query term; how an index fares with common terms is what ``acoustid bench index`` measures.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from cli.sample.recordings import sample_recordings
from pipeline.fingerprint.codec import decode
from pipeline.fingerprint.words import Words

WORDS: Final = 948  # what fpcalc makes of the first 120 s of audio
CHANGED_BITS: Final = 3.3  # in the mean, from word to word
FLIPPED_SHARE: Final = 0.02  # of a degraded copy's bits
MOST_DROPPED: Final = 20  # words that a degraded copy may lack, 2.5 s

Random = np.random.Generator


@dataclass(frozen=True)
class Synthesizer:
    """Makes fingerprint number n of a seed, the same one whenever it is asked for."""

    seed: int

    @cached_property
    def masks(self) -> Words:
        """The changes to draw from, uint32[n]."""
        random = self.random("masks")
        real = [decode(each.fingerprint).words for each in sample_recordings()]
        return thin(np.concatenate([each[1:] ^ each[:-1] for each in real]), CHANGED_BITS, random)

    def random(self, stream: str, number: int = 0) -> Random:
        """Return the source of randomness of one thing."""
        entropy = (self.seed, number, *stream.encode())
        return np.random.Generator(np.random.SFC64(entropy))

    def fingerprint(self, stream: str, number: int) -> Words:
        """Return a fingerprint.

        Args:
            stream: which sequence of fingerprints; those of different ones are unrelated.
            number: which one of it.

        Returns:
            uint32[`WORDS`].
        """
        random = self.random(stream, number)
        words = self.masks[random.integers(0, self.masks.size, WORDS)]
        words[0] = random.integers(0, 1 << 32, dtype=np.uint32)
        return np.bitwise_xor.accumulate(words)


def thin(masks: Words, mean: float, random: Random) -> Words:
    """Return masks with as many bits in the mean, each bit kept as likely as the others.

    Raises:
        ValueError: they have fewer than that.
    """
    kept = mean / float(np.bitwise_count(masks).mean())
    if kept > 1:
        raise ValueError(f"the masks have fewer than {mean} bits in the mean")
    keep = np.packbits(random.random((masks.size, 32), np.float32) < kept, axis=1)
    return masks & keep.view(np.uint32).ravel()


def flip(words: Words, share: float, random: Random) -> Words:
    """Return a copy with about this share of its bits flipped, wherever they are."""
    bits = random.integers(0, words.size * 32, round(words.size * 32 * share))
    flipped = words.copy()
    np.bitwise_xor.at(flipped, bits >> 5, np.uint32(1) << (bits & 31).astype(np.uint32))
    return flipped


def degrade(words: Words, random: Random) -> Words:
    """Return a copy as a bad conversion makes it: bits flipped, up to 20 words gone in front."""
    dropped = int(random.integers(0, MOST_DROPPED + 1))
    return flip(words[dropped:], FLIPPED_SHARE, random)

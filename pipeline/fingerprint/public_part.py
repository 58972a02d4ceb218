"""How much of a fingerprint the public algorithm uses, and how long a fingerprint may be.

fpcalc fingerprints the first 120 s by default, and its words depend on no later audio. So the first
948 words of a longer fingerprint are those of the default one. All steps of the public algorithm
use these alone: query terms, compare2, the choice of a track. Their results are therefore equal for
both fingerprints, and their cost does not grow with the length.
"""

from typing import Final

from pipeline.fingerprint.words import Words
from pipeline.submission_fields import MAX_DURATION

PUBLIC_WORDS: Final = 948
"""Number of words of 120 s of audio.

Chromaprint resamples to 11,025 Hz and makes a frame of 4096 samples every 1365 samples: 967 frames
in 120 s. The first word needs 20 of them: 16 of its image, and 4 more for the filter over time.
"""

_SAMPLES_PER_WORD: Final = 1365
_RATE: Final = 11_025  # Hz

LONGEST: Final = MAX_DURATION * _RATE // _SAMPLES_PER_WORD
"""Maximum number of words of a fingerprint: those of `MAX_DURATION` seconds, 264,656."""


def public_part(words: Words) -> Words:
    """Return the words that the public algorithm uses, at most `PUBLIC_WORDS`; a view."""
    return words[:PUBLIC_WORDS]

"""Whether the words of an excerpt have enough content to identify a recording."""

from typing import Final

import numpy as np

from pipeline.fingerprint.words import SILENCE, Words

MIN_DISTINCT_WORDS: Final = 12
"""Number of distinct words that an excerpt needs, apart from silence.

Of 176 clean excerpts cut to twelve words, half had a chance of 1e-10 or less for the pair with
their recording, and nine tenths about 1e-6 or less (see `significance`): half can be identified in
a catalogue of a million. Silence, a drone or a short loop has fewer distinct words, however long it
is.
"""

_SECONDS: Final = (
    4.5  # of music with 12 distinct words: 2.6 s before the second word, then 8 a second
)


def lacking_content(words: Words) -> str:
    """Return what an excerpt lacks, for the error message; empty if its content suffices.

    Args:
        words: the excerpt's words, uint32[n].

    Returns:
        Such as "5 distinct words; it needs 12: about 4.5 s of music". Words of silence don't count.
    """
    distinct = np.unique(words[words != SILENCE]).size
    if distinct >= MIN_DISTINCT_WORDS:
        return ""
    plural = "" if distinct == 1 else "s"
    return (
        f"{distinct} distinct word{plural}; it needs {MIN_DISTINCT_WORDS}: "
        f"about {_SECONDS} s of music"
    )

"""Whether an excerpt has enough content for a search."""

from typing import Final

import numpy as np

from pipeline.fingerprint.words import SILENCE, Words

MIN_DISTINCT_WORDS: Final = 12
"""Minimum number of distinct words of an excerpt, without silence."""


def lacking_content(words: Words) -> str:
    """Return what an excerpt lacks, an empty text if it has enough content."""
    distinct = np.unique(words[words != SILENCE]).size
    if distinct >= MIN_DISTINCT_WORDS:
        return ""
    noun = "word" if distinct == 1 else "words"
    return f"{distinct} distinct {noun}; it needs {MIN_DISTINCT_WORDS}: about 4.5 s of music"

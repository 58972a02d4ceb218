"""Excerpts without enough content are refused with what they lack."""

import numpy as np
import pytest

from pipeline.excerpts.content import lacking_content
from pipeline.fingerprint.words import SILENCE


@pytest.mark.parametrize(
    ("distinct", "text"),
    [
        (0, "0 distinct words; it needs 12: about 4.5 s of music"),
        (1, "1 distinct word; it needs 12: about 4.5 s of music"),
        (5, "5 distinct words; it needs 12: about 4.5 s of music"),
        (11, "11 distinct words; it needs 12: about 4.5 s of music"),
        (12, ""),
    ],
)
def test_counts_distinct_words_without_silence(distinct: int, text: str) -> None:
    words = np.repeat(np.arange(distinct, dtype=np.uint32), 10)
    silence = np.full(200, SILENCE, np.uint32)
    assert lacking_content(np.concatenate([silence, words])) == text

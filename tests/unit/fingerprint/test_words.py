"""Words, signed and unsigned."""

import numpy as np
import pytest

from pipeline.fingerprint.words import SILENCE, as_words, signed


def test_signed_and_unsigned_numbers_are_the_same_words():
    """Two's complement, as PostgreSQL and the index have them."""
    words = as_words([-1, 0xFFFFFFFF, -(2**31), 2**31, 0, SILENCE])
    assert words.dtype == np.uint32
    assert words.tolist() == [2**32 - 1, 2**32 - 1, 2**31, 2**31, 0, 0x256DF977]
    assert signed(words).tolist() == [-1, -1, -(2**31), -(2**31), 0, SILENCE]


@pytest.mark.parametrize("dtype", [np.uint32, np.int32])
def test_arrays_of_32_bits_are_not_copied(dtype: type):
    """They are looked at as words."""
    array = np.arange(5).astype(dtype)
    assert np.shares_memory(as_words(array), array)


def test_no_words_are_words():
    """An empty list has no numbers to take the type from."""
    assert as_words([]).dtype == np.uint32


@pytest.mark.parametrize("values", [[2**32], [-(2**31) - 1], [0.5], ["1"], [True]])
def test_what_is_no_word_is_refused(values: list[int]):
    """Rather than wrapped around or rounded."""
    with pytest.raises(ValueError, match="whole number"):
        as_words(values)


def test_a_table_is_no_fingerprint():
    """Only one row."""
    with pytest.raises(ValueError, match="one row"):
        as_words(np.zeros((2, 2), np.uint32))

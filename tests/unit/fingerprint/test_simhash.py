"""The simhash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fingerprint.simhash import simhash, simhash_batch
from pipeline.fingerprint.words import as_words, signed
from tests.unit.fingerprint import reference
from tests.unit.fingerprint.samples import real_data, song


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], 0),
        ([5], 5),
        ([1, 3], 1),
        ([1, 3, 7], 3),
        ([0xFFFFFFFF, 0, 0xFFFFFFFF], 0xFFFFFFFF),
    ],
)
def test_a_bit_is_as_in_most_words(words: list[int], expected: int):
    """Half of them are not enough."""
    assert simhash(as_words(words)) == expected


def test_a_long_fingerprint():
    """More words than a byte can count."""
    assert simhash(song()) == 3806773003


def test_windows_of_a_fingerprint():
    """Of 120 words, one every 90, the last ones shorter."""
    windows = [song()[start : start + 120] for start in range(0, len(song()), 90)]
    hashes = simhash_batch(windows).tolist()
    assert len(hashes) == 11
    assert hashes[:3] == [4273054793, 4205874715, 2355608083]


def test_real_fingerprints_have_the_simhash_of_the_library():
    """All of them, as a batch."""
    data = real_data()
    hashes = simhash_batch([data.words[row["fingerprint"]] for row in data.queries])
    assert signed(hashes).tolist() == [row["simhash"] for row in data.queries]


@given(st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=20), max_size=5), st.integers(1, 30))
def test_a_batch_agrees_with_the_reference(table: list[list[int]], repeats: int):
    """Rows of any lengths, around the 255 words that are counted together too."""
    table = [words * repeats for words in table]
    expected = [reference.simhash(words) for words in table]
    assert simhash_batch([as_words(words) for words in table]).tolist() == expected


@pytest.mark.parametrize("length", [254, 255, 256, 510, 511, 70_000])
def test_all_words_alike(length: int):
    """No counter overflows."""
    assert simhash(as_words([0xDEADBEEF] * length)) == 0xDEADBEEF

"""The number of different words."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.fingerprint.distinct import count_distinct_batch
from pipeline.fingerprint.words import as_words
from tests.unit.fingerprint.samples import song


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=6))
def test_each_word_counts_once(table: list[list[int]]):
    """In its own fingerprint, whatever its neighbours have."""
    batch = [as_words(words) for words in table]
    assert count_distinct_batch(batch).tolist() == [len(set(words)) for words in table]


def test_all_32_bits_count():
    """Unlike in query terms."""
    assert count_distinct_batch([as_words([16, 17, 18, 16])]).tolist() == [3]


def test_counting_leaves_the_fingerprint_as_it_is():
    """It sorts a copy."""
    before = song().tolist()
    assert count_distinct_batch([song()]).tolist() == [len(set(before))]
    assert song().tolist() == before

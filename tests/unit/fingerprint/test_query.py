"""Query terms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fingerprint.public_part import PUBLIC_WORDS
from pipeline.fingerprint.query import extract_query, extract_query_batch
from pipeline.fingerprint.words import SILENCE, Words, as_words, signed
from tests.unit.fingerprint import reference
from tests.unit.fingerprint.samples import real_data, song, walk

SILENCE_TERM = 627964272

quiet_words = st.one_of(
    st.just(SILENCE),
    st.just(SILENCE - 1),
    st.integers(0, 40),
    st.integers(0, 2**32 - 1),
    st.integers(0, 300).map(lambda number: number * 16),
)


def signed_terms(words: Words) -> list[int]:
    """Return the query terms as SQL shows them."""
    return signed(extract_query(words)).tolist()


def test_low_bits_and_silence_are_left_out():
    """Four bits are masked, repetitions dropped, silence skipped."""
    assert signed_terms(as_words([1, 2, 3, 16, 17, SILENCE, -1])) == [0, 16, -16]


def test_silence_alone_has_no_terms():
    """Nor has nothing."""
    assert extract_query(as_words([SILENCE] * 5)).tolist() == []
    assert extract_query(as_words([])).tolist() == []


def test_a_neighbour_of_silence_gives_its_term():
    """Words are compared with silence before they are masked."""
    assert extract_query(as_words([SILENCE - 1])).tolist() == [SILENCE_TERM]


def test_a_long_fingerprint_starts_at_word_80():
    """And gives 120 terms."""
    assert extract_query(as_words(range(0, 4800, 16))).tolist() == [*range(1280, 3200, 16)]
    terms = signed_terms(song())
    assert len(terms) == 120
    assert terms[:4] == [-955174816, -818859936, -281202592, -12767136]
    assert terms[-2:] == [-1904232944, -1904314864]


def test_a_shorter_one_starts_earlier():
    """So that 120 words are left, if there are so many."""
    terms = signed_terms(walk(42, 150, 3))
    assert len(terms) == 120
    assert terms[:3] == [494442016, -1720150496, -1686600192]
    words = walk(42, 100, 3)
    assert extract_query(words).tolist() == (words & np.uint32(0xFFFFFFF0)).tolist()


def test_the_start_counts_silence_too():
    """It is found from the number of other words, but counted among all."""
    words = np.concatenate([as_words([SILENCE] * 100), walk(42, 300, 3)])
    assert signed_terms(words)[:3] == [1084076288, 1084088576, -929177344]


def test_terms_of_real_fingerprints_are_those_of_the_extension():
    """All of them, in order."""
    data = real_data()
    for row in data.queries:
        assert signed_terms(data.words[row["fingerprint"]]) == row["query"]


@pytest.mark.parametrize("length", [119, 120, 121, 199, 200, 201, 500])
@pytest.mark.parametrize("seed", range(4))
def test_terms_agree_with_the_reference_at_any_length(length: int, seed: int):
    """With much repetition and silence."""
    random = np.random.default_rng(seed)
    words = random.integers(0, 16 * 50 * (seed + 1), length).astype(np.uint32)
    words[random.random(length) < 0.2 * seed] = SILENCE
    assert extract_query(words).tolist() == reference.extract_query(words.tolist())


def test_a_monotonous_fingerprint_is_read_to_the_end_of_its_public_part():
    """Its few terms are found however far behind; later words give none."""
    words = np.repeat(as_words([16, 32, 48, 64]), PUBLIC_WORDS // 3)
    assert extract_query(words).tolist() == [16, 32, 48]


@given(
    st.lists(quiet_words, min_size=1, max_size=60).map(lambda part: part * (PUBLIC_WORDS // 30)),
    st.lists(quiet_words, max_size=250),
)
def test_a_longer_fingerprint_has_the_same_terms(part: list[int], rest: list[int]):
    """Words after the public part change nothing, however many of them are silence."""
    start = as_words(part)[:PUBLIC_WORDS]
    if start.size == PUBLIC_WORDS:
        whole = np.concatenate([start, as_words(rest)])
        assert extract_query(whole).tolist() == extract_query(start).tolist()


@given(st.lists(st.lists(quiet_words, max_size=250), max_size=4))
def test_a_batch_gives_what_single_calls_give(table: list[list[int]]):
    """The results equal the reference's, empty fingerprints included."""
    terms = extract_query_batch([as_words(words) for words in table])
    assert [row.tolist() for row in terms] == [reference.extract_query(words) for words in table]
    assert [extract_query(as_words(words)).tolist() for words in table] == [
        row.tolist() for row in terms
    ]

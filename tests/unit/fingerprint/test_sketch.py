"""Sketch terms of stored fingerprints and of queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fingerprint.sketch import (
    KEY_BITS,
    MAX_QUERY_TERMS,
    MAX_RATE,
    sketch_query_batch,
    sketch_terms,
    sketch_terms_batch,
)
from pipeline.fingerprint.words import SILENCE, as_words
from tests.unit.fingerprint.samples import real_data, walk

if TYPE_CHECKING:
    from collections.abc import Sequence

LEFT_OUT = (0, 4, 10, 12, 14, 16, 18, 30)
KEPT = [bit for bit in range(32) if bit not in LEFT_OUT]
LEFT_OUT_MASK = np.uint32(sum(1 << bit for bit in LEFT_OUT))
RATES = st.sampled_from([1, 2, 3, 4, 7, 64])
ROWS = st.lists(
    st.lists(st.integers(0, 2**32 - 1) | st.just(SILENCE) | st.integers(0, 20), max_size=60),
    max_size=4,
)


def terms_of(words: Sequence[int], rate: int) -> set[int]:
    """Return the terms of words, computed one by one with Python's numbers."""
    terms = set()
    for word in words:
        key = sum((word >> bit & 1) << place for place, bit in enumerate(KEPT))
        key ^= key >> 12
        terms.add(key * 0x9E3779 % 2**KEY_BITS)
    return {term for term in terms if term * rate < 2**KEY_BITS}


def stored_terms(words: Sequence[int], rate: int) -> set[int]:
    """Return the terms of a stored fingerprint."""
    return terms_of([word for word in words if word != SILENCE], rate)


def query_terms(words: Sequence[int], rate: int) -> set[int]:
    """Return the terms of words, and of words with one bit changed that differs from a neighbour's.

    This is for few words, of which all such bits are probed.
    """
    probed: list[int] = []
    for place, word in enumerate(words):
        if word != SILENCE:
            neighbours = [words[max(place - 1, 0)], words[min(place + 1, len(words) - 1)]]
            changes = [1 << bit for bit in KEPT if any((word ^ n) >> bit & 1 for n in neighbours)]
            probed += [word, *(word ^ change for change in changes)]
    return terms_of(probed, rate)


@given(ROWS, RATES)
def test_terms_equal_those_of_the_reference(table: list[list[int]], rate: int) -> None:
    found = sketch_terms_batch([as_words(words) for words in table], rate)
    assert [row.tolist() for row in found] == [sorted(stored_terms(words, rate)) for words in table]
    for words, row in zip(table, found, strict=True):
        assert sketch_terms(as_words(words), rate).tolist() == row.tolist()


@given(ROWS, RATES)
def test_a_query_probes_the_bits_that_differ_from_the_neighbours(
    table: list[list[int]], rate: int
) -> None:
    found = sketch_query_batch([as_words(words) for words in table], rate)
    assert [row.tolist() for row in found] == [
        sorted(query_terms(words, rate))[:MAX_QUERY_TERMS] for words in table
    ]


@pytest.mark.parametrize("rate", [1, 4, 5])
def test_an_excerpt_has_the_terms_of_its_words_wherever_it_starts(rate: int) -> None:
    words = real_data().words[0]
    stored = set(sketch_terms(words, rate).tolist())
    for start in range(0, 100, 7):
        excerpt = words[start : start + 80]
        terms = sketch_terms(excerpt, rate).tolist()
        assert set(terms) == stored_terms(excerpt.tolist(), rate)
        assert set(terms) <= stored
        assert set(terms) <= set(sketch_query_batch([excerpt], rate).values.tolist())


def test_bits_outside_the_key_have_no_effect() -> None:
    words = walk(7, 500, 4)
    assert np.array_equal(sketch_terms(words, 3), sketch_terms(words ^ LEFT_OUT_MASK, 3))


@pytest.mark.parametrize("rate", [2, 4, 9])
def test_one_term_in_so_many_is_kept(rate: int) -> None:
    """Of distinct keys, within five standard deviations."""
    words = np.random.default_rng(5).integers(0, 2**32, 20_000, np.uint32)
    expected = sketch_terms(words, 1).size / rate
    assert abs(sketch_terms(words, rate).size - expected) < 5 * expected**0.5


def test_a_higher_rate_keeps_the_lowest_terms() -> None:
    words = walk(3, 900, 6)
    terms = sketch_terms(words, 1)
    assert np.array_equal(sketch_terms(words, 4), terms[terms < 2**KEY_BITS // 4])


def test_a_long_query_has_a_sample_of_its_terms() -> None:
    """Its own terms, without probes: the lowest ones."""
    words = np.random.default_rng(1).integers(0, 2**32, 30_000, np.uint32)
    [terms] = sketch_query_batch([words], 2)
    assert terms.tolist() == sketch_terms(words, 2)[:MAX_QUERY_TERMS].tolist()


def test_a_query_of_a_whole_recording_has_its_own_terms_and_some_probes() -> None:
    words = real_data().words[0]
    [terms] = sketch_query_batch([words], 4)
    own = sketch_terms(words, 4)
    assert set(own.tolist()) < set(terms.tolist())
    assert own.size < terms.size <= MAX_QUERY_TERMS


@pytest.mark.parametrize("words", [[], [SILENCE] * 40])
def test_silence_has_no_terms(words: list[int]) -> None:
    assert sketch_terms(as_words(words), 1).size == 0
    assert [row.size for row in sketch_query_batch([as_words(words)] * 2, 1)] == [0, 0]


def test_no_fingerprints_have_no_terms() -> None:
    assert len(sketch_terms_batch([], 4)) == 0
    assert len(sketch_query_batch([], 4)) == 0


@pytest.mark.parametrize("rate", [-1, 0, MAX_RATE + 1])
def test_a_rate_out_of_range_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="sketch rate"):
        sketch_terms(as_words([1]), rate)
    with pytest.raises(ValueError, match="sketch rate"):
        sketch_query_batch([as_words([1])], rate)

"""The code of terms: encoded postings are decoded unchanged, and found at their places."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.index.segments.bits import (
    lowest_one,
    place_of_one,
    read_field,
    write_fields,
)
from pipeline.index.segments.postings import (
    BitLayout,
    PostingRanges,
    Renumbering,
    Sections,
    words_for,
)
from pipeline.index.segments.segment_format import IndexSegmentEntry, directory_entries
from pipeline.index.segments.term_codes import (
    common_shift,
    count_blocks,
    decode,
    encode,
    locate,
    seek,
)
from tests.unit.index.model import pack, terms

if TYPE_CHECKING:
    from pipeline.index.segments.postings import Keys

# Crowded terms, terms with zeros at the end, and terms from the whole range.
TERM = st.integers(0, 40) | st.integers(0, 3000).map(lambda n: n << 12) | st.integers(0, 2**32 - 1)
POSTINGS = st.sets(st.tuples(TERM, st.integers(0, 300)), max_size=600)


def encoded(postings: list[tuple[int, int]]) -> tuple[Keys, BitLayout, Sections]:
    """Return postings as keys, and encoded in one go."""
    keys = np.array([(term << 32) | number for term, number in postings], dtype=np.uint64)
    held = terms(*(term for term, _ in postings))
    layout = IndexSegmentEntry(
        1, 301, 0, len(postings), top_term=int(held.max(initial=0)), shift=common_shift(keys)
    ).layout
    sizes = (layout.postings + layout.highs, layout.postings * layout.low_bits)
    words = [words_for(bits) for bits in (*sizes, layout.postings * layout.document_bits)]
    directory = np.full(directory_entries(layout), layout.postings, dtype=np.uint32)
    code = Sections(directory, *(np.zeros(count, dtype=np.uint64) for count in words))
    encode(keys, 0, layout, code, np.zeros(3, dtype=np.int64), 0)
    return keys, layout, code


@given(POSTINGS, st.data())
@settings(deadline=None, max_examples=150)
def test_any_part_comes_back(postings: set[tuple[int, int]], data: st.DataObject) -> None:
    keys, layout, code = encoded(sorted(postings))
    first = data.draw(st.integers(0, keys.size))
    last = data.draw(st.integers(first, keys.size))
    found = np.zeros(keys.size, dtype=np.uint64)
    count = decode(first, last, layout, code, Renumbering(terms()), found)
    assert found[:count].tolist() == keys[first:last].tolist()


@given(POSTINGS, st.lists(TERM, max_size=30))
@settings(deadline=None, max_examples=150)
def test_terms_are_found_where_they_lie(postings: set[tuple[int, int]], others: list[int]) -> None:
    ordered = sorted(postings)
    _, layout, code = encoded(ordered)
    held = [term for term, _ in ordered]
    wanted = terms(*sorted({*held, *others}))
    found = PostingRanges(np.empty(wanted.size, np.int64), np.empty(wanted.size, np.int64))
    locate(wanted, layout, code, found)
    for term, start, length in zip(wanted.tolist(), *map(np.ndarray.tolist, found), strict=True):
        assert length == bisect_right(held, term) - bisect_left(held, term)
        assert not length or start == bisect_left(held, term)
        assert seek(term, layout, code) == bisect_left(held, term)


@given(POSTINGS)
@settings(deadline=None)
def test_the_directory_can_be_counted_anew(postings: set[tuple[int, int]]) -> None:
    _, layout, code = encoded(sorted(postings))
    counted = code.directory.copy()
    counted[:-1] = 77
    assert count_blocks(code.unary, layout.highs, counted) == len(postings)
    assert counted.tolist() == code.directory.tolist()


@pytest.mark.parametrize("width", [1, 7, 13, 31, 32])
def test_fields_lie_beside_each_other(width: int) -> None:
    values = np.random.default_rng(width).integers(0, 1 << width, 200, dtype=np.uint64)
    words = np.zeros(words_for(200 * width), dtype=np.uint64)
    mask = np.uint64((1 << width) - 1)
    # In two calls, with other bits around the part of each value that is written.
    others = (values << np.uint64(7)) | np.uint64(0x55) | (np.uint64(1) << np.uint64(63))
    write_fields(others[:77], np.uint64(7), mask, width, words, 0)
    write_fields(others[77:], np.uint64(7), mask, width, words, 77 * width)
    assert [read_field(words, n * width, mask) for n in range(200)] == values.tolist()
    packed = sum(value << (place * width) for place, value in enumerate(values.tolist()))
    assert int.from_bytes(words.astype("<u8").tobytes(), "little") == packed


def test_the_lowest_one_is_found() -> None:
    assert [lowest_one(np.uint64(1 << place)) for place in range(64)] == list(range(64))
    assert lowest_one(np.uint64(0)) == 64
    assert lowest_one(np.uint64(2**64 - 8)) == 3


@given(word=st.integers(1, 2**64 - 1))
def test_every_one_is_found_by_its_number(word: int) -> None:
    places = [place for place in range(64) if word >> place & 1]
    assert [place_of_one(np.uint64(word), number) for number in range(len(places))] == places


def shift_of(*held: int) -> int:
    """Return the common shift of terms that an odd document has."""
    return common_shift(pack(terms(*held), np.full(len(held), 5, dtype=np.uint32)))


def test_zeros_that_all_terms_end_with_are_left_out() -> None:
    assert shift_of(16, 48, 2**31) == 4
    assert shift_of(1, 16) == 0
    assert shift_of(0) == shift_of() == 0

"""Finding terms through the heads of blocks gives what a search over all terms gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.index.term_blocks import BLOCK_TERMS, PADDING, Found, find

if TYPE_CHECKING:
    from numpy.typing import NDArray

TERM = st.sampled_from([0, 16, 32, 48, 64, 2**32 - 17, 2**32 - 1])


def found_in(held: NDArray[np.uint32], wanted: NDArray[np.uint32]) -> Found:
    filling = np.full(-held.size % BLOCK_TERMS, PADDING)
    blocks = np.concatenate([held, filling]).astype(np.uint32).reshape(-1, BLOCK_TERMS)
    return find(blocks, np.ascontiguousarray(blocks[:, 0]), held.size, wanted)


@given(st.lists(st.tuples(TERM, st.integers(1, 3 * BLOCK_TERMS)), max_size=6), st.lists(TERM))
@settings(deadline=None)
def test_finds_the_same_range_as_a_search_over_all_terms(
    runs: list[tuple[int, int]], wanted: list[int]
) -> None:
    held = np.sort(np.repeat([t for t, _ in runs], [n for _, n in runs]).astype(np.uint32))
    terms = np.array(wanted, dtype=np.uint32)
    found = found_in(held, terms)
    start = np.searchsorted(held, terms, side="left")
    end = np.searchsorted(held, terms, side="right")
    assert found.lengths.tolist() == (end - start).tolist()
    assert found.starts[found.lengths > 0].tolist() == start[end > start].tolist()


def test_a_term_over_many_blocks_is_found_whole() -> None:
    held = np.repeat(np.array([16, 32, 48], dtype=np.uint32), [10, 5 * BLOCK_TERMS, 10])
    found = found_in(held, np.array([16, 32, 48], dtype=np.uint32))
    assert found.starts.tolist() == [0, 10, 10 + 5 * BLOCK_TERMS]
    assert found.lengths.tolist() == [10, 5 * BLOCK_TERMS, 10]


def test_padding_is_not_found() -> None:
    found = found_in(np.array([16], dtype=np.uint32), np.array([2**32 - 1], dtype=np.uint32))
    assert found.lengths.tolist() == [0]

"""The postings of a batch come out in order, each once."""

from __future__ import annotations

from itertools import chain

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.index.segments.radix_sort import sort_documents

# Terms with many bits and with few, at the upper end, at the lower end and repeated.
TERM = st.one_of(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**28 - 1).map(lambda value: value << 4),
    st.integers(0, 20),
)
DOCUMENTS = st.lists(st.lists(TERM, max_size=30), max_size=9)


@given(DOCUMENTS)
@example([])
@example([[0], [], [0, 0]])
@example([[2**32 - 1, 0], [2**31, 1]])
@settings(deadline=None)
def test_postings_are_sorted_and_none_is_there_twice(documents: list[list[int]]) -> None:
    terms = np.fromiter(chain.from_iterable(documents), dtype=np.uint32)
    keys = sort_documents(terms, np.array([len(each) for each in documents], dtype=np.int64))
    assert keys.tolist() == sorted(
        {term << 32 | number for number, each in enumerate(documents) for term in each}
    )

"""The postings of a query's terms in all segments, and which terms are the rarest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.index.segments.postings import PostingRanges
from pipeline.index.segments.segment_table import code_of, layout_of
from pipeline.index.segments.term_codes import locate
from pipeline.loops.clock import is_past
from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.index.segments.segment_table import Table

    Numbers = NDArray[np.uint32]
    Places = NDArray[np.int64]

_AT_ONCE: Final = 4096
"""Terms that are located between two checks of the deadline."""


class Located(NamedTuple):
    """The postings of the terms of one query that have any, the rarest term first.

    Attributes:
        starts: the first posting of each term in each segment, int64, shape (segments, terms).
        lengths: the number of these postings, same shape.
        sums: number of postings of the first 0, 1, 2... terms, int64, shape (terms + 1,).
        in_time: whether all terms were located before the deadline.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    sums: NDArray[np.int64]
    in_time: bool


@compiled
def distinct(terms: Numbers) -> Numbers:
    """Return the terms of a query, sorted and each once."""
    is_distinct = True
    for i in range(1, terms.size):
        is_distinct &= terms[i - 1] < terms[i]
    if is_distinct:
        return terms
    sorted_terms = np.sort(terms.astype(np.uint64))
    kept = np.empty(terms.size, dtype=np.uint32)
    count = 0
    for i in range(sorted_terms.size):
        if i == 0 or sorted_terms[i] != sorted_terms[i - 1]:
            kept[count] = np.uint32(sorted_terms[i])
            count += 1
    return kept[:count]


@compiled
def locate_in(row: Table, terms: Numbers, found: PostingRanges, deadline: int) -> bool:
    """Find the postings of sorted terms in one segment, given its row of the table.

    Args:
        row: the segment.
        terms: the terms, uint32.
        found: receives the place of each term's postings.
        deadline: the time to stop, see `pipeline.loops.clock`.

    Returns:
        Whether all terms were located before the deadline.
    """
    layout, code = layout_of(row), code_of(row)
    starts, lengths = found
    for first in range(0, terms.size, _AT_ONCE):
        last = min(first + _AT_ONCE, terms.size)
        part = PostingRanges(starts[first:last], lengths[first:last])
        locate(terms[first:last], layout, code, part)
        if is_past(deadline):
            return False
    return True


@compiled
def locate_all(table: Table, terms: Numbers, deadline: int) -> Located:
    """Find the postings of sorted terms in all segments."""
    segments = table.shape[0]
    starts = np.empty((segments, terms.size), dtype=np.int64)
    lengths = np.empty((segments, terms.size), dtype=np.int64)
    in_time = not is_past(deadline)
    for place in range(segments):
        found = PostingRanges(starts[place], lengths[place])
        in_time = in_time and locate_in(table[place], terms, found, deadline)
    if not in_time:
        return Located(starts, lengths, np.zeros(1, dtype=np.int64), in_time)
    order = _rarest_first(lengths)
    sums = np.zeros(order.size + 1, dtype=np.int64)
    ordered_starts = np.empty((segments, order.size), dtype=np.int64)
    ordered_lengths = np.empty((segments, order.size), dtype=np.int64)
    for i in range(order.size):
        sums[i + 1] = sums[i]
        for place in range(segments):
            ordered_starts[place, i] = starts[place, order[i]]
            ordered_lengths[place, i] = lengths[place, order[i]]
            sums[i + 1] += ordered_lengths[place, i]
    return Located(ordered_starts, ordered_lengths, sums, in_time)


@compiled
def _rarest_first(lengths: Places) -> Places:
    """Return the places of the terms with postings, those with the fewest postings first."""
    # Sorted as numbers with the place in the lower half, so one type of sort is compiled.
    keys = np.empty(lengths.shape[1], dtype=np.uint64)
    count = 0
    for term in range(lengths.shape[1]):
        total = np.uint64(0)
        for place in range(lengths.shape[0]):
            total += np.uint64(lengths[place, term])
        if total:
            keys[count] = (total << np.uint64(32)) | np.uint64(term)
            count += 1
    order = np.empty(count, dtype=np.int64)
    keys = np.sort(keys[:count])
    for i in range(count):
        order[i] = np.int64(keys[i] & np.uint64(0xFFFFFFFF))
    return order

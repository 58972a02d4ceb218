"""Collects the documents that contain terms of a query.

Documents of all segments are counted together, so each has one number: that in its segment plus
the segment's base, the number of documents in the segments before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.index.search.query import LATE, Query
from pipeline.index.segments.bits import read_field
from pipeline.index.segments.segment_table import base_of, code_of, layout_of, outdated_of
from pipeline.loops.clock import is_past
from pipeline.loops.compiled import compiled
from pipeline.loops.intrinsics import read_ahead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.uint32]

_AT_ONCE: Final = 1 << 16
"""Postings that are read between two checks of the deadline."""


@compiled
def gather(query: Query, first: int, last: int, gathered: Numbers, end: int) -> int:
    """Append the documents that contain some terms, without outdated ones.

    Args:
        query: the query.
        first: the first of the terms.
        last: the term to stop before.
        gathered: receives base + document number, uint32.
        end: the number of documents in `gathered`.

    Returns:
        The new number of documents in `gathered`; `LATE` at the deadline.
    """
    table, located = query.table, query.located
    unchecked = 0
    for place in range(table.shape[0]):
        row = table[place]
        documents, bits = code_of(row).documents, layout_of(row).document_bits
        outdated, base = outdated_of(row), base_of(row)
        mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
        # The lists are far apart; the reads of their first postings overlap.
        for term in range(first, last):
            if located.lengths[place, term]:
                read_ahead(documents, (located.starts[place, term] * bits) >> 6)
        for term in range(first, last):
            bit, left = located.starts[place, term] * bits, located.lengths[place, term]
            while left:
                count = min(left, _AT_ONCE)
                for i in range(count):
                    number = read_field(documents, bit + i * bits, mask)
                    gathered[end + i] = np.uint32(number) + np.uint32(base)
                end = _alive(gathered, end, count, base, outdated) if outdated.size else end + count
                bit += count * bits
                left -= count
                unchecked += count
                if unchecked >= _AT_ONCE:
                    unchecked = 0
                    if is_past(query.bounds.deadline):
                        return LATE
    return end


@compiled
def _alive(gathered: Numbers, end: int, length: int, base: int, outdated: NDArray[np.uint8]) -> int:
    """Drop outdated documents from those after `end`; return the new end."""
    for place in range(end, end + length):
        document = gathered[place]
        if not outdated[min(np.int64(document) - base, outdated.size - 1)]:
            gathered[end] = document
            end += 1
    return end

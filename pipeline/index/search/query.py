"""One query in compiled code: where its postings are, its bounds, its hits and its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.index.search.best_hits import BestHits, Cutoff
    from pipeline.index.search.locating import Located

UNLIMITED: Final = 0
LATE: Final = -1
"""In place of a number of postings: the deadline has passed."""

TERMS: Final = 0
PARTIAL: Final = 1
POSTINGS: Final = 2
BLOCKS: Final = 3
REPORTED: Final = 4
"""Columns of a report, and their number; see `Hits`."""


class Bounds(NamedTuple):
    """The bounds of the work for a query.

    Attributes:
        max_postings: maximum number of current postings that find documents, or `UNLIMITED`.
        deadline: the time to stop, see `pipeline.loops.clock`.
    """

    max_postings: int
    deadline: int


class Query(NamedTuple):
    """A query whose terms are located.

    Attributes:
        table: the segments, see `segment_table`.
        documents: the number of documents of all segments, outdated ones included.
        located: the postings of the terms.
        cutoff: the condition for hits.
        bounds: the bounds of the work.
        best: receives the hits.
        report: receives `PARTIAL` and `POSTINGS`, int64.
    """

    table: NDArray[np.int64]
    documents: int
    located: Located
    cutoff: Cutoff
    bounds: Bounds
    best: BestHits
    report: NDArray[np.int64]


@compiled
def terms_of(query: Query) -> int:
    """Return the number of terms with postings."""
    return query.located.sums.size - 1

"""The answer to a query with a limit on the postings that find documents; it may be partial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.index.search.best_hits import floor_of, raise_floor
from pipeline.index.search.completing import offer_completed
from pipeline.index.search.gathering import gather
from pipeline.index.search.hash_counting import count_gathered, count_reached, with_count
from pipeline.index.search.query import LATE, PARTIAL, POSTINGS, Query, terms_of
from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_COMPLETED: Final = 100
"""Maximum number of documents whose scores are completed, if the answer is partial."""
MOST_LOOKUPS: Final = 100_000
"""Maximum number of lookups of a document in the postings of a term for that."""


@compiled
def answer_limited(query: Query) -> bool:
    """Offer the hits of a query; return False at the deadline.

    The postings of the rarest terms within the limit are read. The scores of the documents that
    were found most often are completed. So the hits do not depend on the limit of hits. The answer
    is partial unless no other document can be a hit.
    """
    gathered, read = _gather(query)
    if read == LATE:
        return False
    query.report[POSTINGS] = gathered.size
    left = terms_of(query) - read
    counts = count_gathered(gathered, np.int64(read), query.bounds.deadline)
    if not counts.in_time:
        return False
    raise_floor(query.best, count_reached(counts.histogram, query.cutoff.limit))
    keys = with_count(counts, max(floor_of(query.best) - left, 1))
    most = keys.size
    if left:
        most = max(1, min(MOST_COMPLETED, MOST_LOOKUPS // left))
    omitted = offer_completed(query, read, keys, most)
    query.report[PARTIAL] = omitted > 0 or (left > 0 and left >= floor_of(query.best))
    return omitted != LATE


@compiled
def _gather(query: Query) -> tuple[NDArray[np.uint32], int]:
    """Gather the documents of the rarest terms within the limit.

    Outdated postings don't count. The rarest term with current postings is always read.

    Returns:
        The documents, and the number of terms that were read, or `LATE`.
    """
    sums, most = query.located.sums, query.bounds.max_postings
    longest = sums[-1] - sums[-2]
    gathered = np.empty(min(sums[-1], most + 2 * longest), dtype=np.uint32)
    end = np.int64(0)
    for read in range(terms_of(query)):
        new_end = gather(query, np.int64(read), read + 1, gathered, end)
        if new_end == LATE:
            return gathered, LATE
        if end and new_end > most:
            return gathered[:end], read
        end = new_end
    return gathered[:end], terms_of(query)

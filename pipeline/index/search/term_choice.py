"""Chooses how many terms of a query to read, from the numbers of their postings.

The unit of all costs is the time to read and count one posting.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]

PROBE_COST: Final = 8
"""Cost of looking for one document in the postings of one term."""
_LARGE: Final = 100.0
"""The logarithm of a number that is higher than any number of postings."""
_CLUSTERING: Final = 2.0
"""Documents share this many times more terms than independent documents would."""


@compiled
def terms_within(sums: Places, postings: int) -> int:
    """Return how many terms have together at most so many postings, at least one.

    Args:
        sums: number of postings of the first 0, 1, 2... terms, int64.
        postings: the number of postings.
    """
    terms = 1
    while terms < sums.size - 1 and sums[terms + 1] <= postings:
        terms += 1
    return terms


@compiled
def choose_terms(sums: Places, read: int, floor: int, documents: int, cost: float) -> int:
    """Return how many terms to read, so that the expected cost is lowest.

    Args:
        sums: see `terms_within`.
        read: the number of terms whose postings are counted already.
        floor: a score that every hit reaches.
        documents: the number of documents of the index.
        cost: the cost of reading no more.
    """
    terms = sums.size - 1
    best = read
    # With `floor` or more terms left, a hit need not be among the documents that were found.
    for chosen in range(max(read + 1, terms - floor + 1), terms + 1):
        left = terms - chosen
        completed = _expected(sums[chosen], floor - left, documents)
        expected = sums[chosen] + completed * left * PROBE_COST
        if expected < cost:
            best, cost = chosen, expected
    return best


@compiled
def _expected(postings: int, count: int, documents: int) -> float:
    """Return the expected number of documents that are found at least `count` times by chance.

    The counts of independent documents have a Poisson distribution. Its first term is used:
    documents * rate**count / count!
    """
    rate = _CLUSTERING * postings / documents
    found = math.log(documents) + count * math.log(rate) - math.lgamma(count + 1)
    return min(math.exp(min(found, _LARGE)), postings / count)

"""Finds the recordings that share the most sketch terms with an excerpt."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.sketch import sketch_query_batch
from pipeline.fingerprint.words import Words
from pipeline.index.interface import FingerprintIndex

CANDIDATES: Final = 40
"""Maximum number of candidates of a query."""


def find_candidates(
    index: FingerprintIndex,
    queries: Sequence[Words],
    rate: int,
    *,
    timeout: float | None,
) -> list[NDArray[np.uint32]]:
    """Return the ids of the best candidates of each query, best first.

    Args:
        index: a sketch index.
        queries: words of each query.
        rate: the sketch rate of the index.
        timeout: maximum seconds for the search, None for no limit.

    Raises:
        SearchTimeout: the search exceeded the timeout.
    """
    terms = list(sketch_query_batch(queries, rate))
    hits = index.search(terms, limit=CANDIDATES, min_score=1, score_pct=10, timeout=timeout)
    return [each.ids for each in hits]

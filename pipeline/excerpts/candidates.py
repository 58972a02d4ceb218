"""Candidates: the fingerprints that share the most sketch terms with a query.

The index counts terms, not places, so a fingerprint that shares one term is a candidate if there
are few better ones: a short excerpt has few terms. Their words decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipeline.fingerprint.sketch import sketch_query_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.fingerprint.words import Words
    from pipeline.index import FingerprintIndex

MAX_CANDIDATES: Final = 40
"""Maximum number of candidates of a query."""


def find_candidates(
    index: FingerprintIndex, queries: Sequence[Words], rate: int, *, timeout: float | None
) -> list[NDArray[np.uint32]]:
    """Find the fingerprints that may contain each query, or be contained in it.

    Args:
        index: the sketch index.
        queries: the words of each query, uint32, any number.
        rate: the sketch rate of the index.
        timeout: maximum seconds for the search, None for no limit.

    Returns:
        The ids of the candidates of each query, the best first: uint32, shape (n,), with n at most
        `MAX_CANDIDATES`. Empty for a query of silence.

    Raises:
        SearchTimeout: the search exceeded the timeout.
        ValueError: the rate is out of range.
    """
    hits = index.search(
        list(sketch_query_batch(queries, rate)),
        limit=MAX_CANDIDATES,
        score_pct=0,
        timeout=timeout,
    )
    return [each.ids for each in hits]

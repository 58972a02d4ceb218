"""Checks a sample of documents: whether a search of the terms of each one finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.index.interface import FingerprintIndex, Hits

LIMIT: Final = 100
"""Maximum number of hits of a search; a server returns no more."""

TIMEOUT: Final = 2.0
"""Maximum seconds of a search."""


def index_contains(index: FingerprintIndex, sample: Mapping[int, NDArray[np.uint32]]) -> bool:
    """Return whether an index contains each document of a sample under its own id.

    Args:
        index: the index. Each document is a separate search, so that the caller may be in a search
            of the same index.
        sample: the distinct terms of each document, by id.

    Raises:
        SearchTimeout: a search exceeded `TIMEOUT`.
    """

    def search(terms: NDArray[np.uint32]) -> Hits:
        [hits] = index.search(
            [terms], limit=LIMIT, min_score=least_score(terms), score_pct=100, timeout=TIMEOUT
        )
        return hits

    return finds_each(search, sample)


def least_score(terms: NDArray[np.uint32]) -> int:
    """Return the minimum score of a search for documents with all terms.

    With it, an exact search needs only the postings of the rarest term to find documents.
    """
    return max(1, terms.size)


def finds_each(
    search: Callable[[NDArray[np.uint32]], Hits], sample: Mapping[int, NDArray[np.uint32]]
) -> bool:
    """Return whether a search of the terms of each document finds it with all its terms.

    A document counts as found if its search shows nothing: `LIMIT` other ones have all its terms,
    or a server's limit on postings may have left it out.

    Args:
        search: returns at most `LIMIT` hits with at least `least_score`.
        sample: the distinct terms of each document, by id.
    """
    return all(_is_found(document, terms, search(terms)) for document, terms in sample.items())


def _is_found(document: int, terms: NDArray[np.uint32], hits: Hits) -> bool:
    complete = hits.scores == terms.size
    is_found = bool(complete[hits.ids == document].any())
    return is_found or hits.partial or bool(complete.sum() >= LIMIT)

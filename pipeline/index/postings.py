"""Postings as sortable numbers: the term in the upper half, the document in the lower."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.loops.compiled import compiled

Keys: TypeAlias = NDArray[np.uint64]
"""term << 32 | document, sorted, none twice."""

TERM_SHIFT: Final = np.uint64(32)
"""Bits of a key below its term."""


def pack(terms: NDArray[np.uint32], documents: NDArray[np.uint32]) -> Keys:
    """Return `terms << 32 | documents`, so that one sort orders pairs."""
    return (terms.astype(np.uint64) << TERM_SHIFT) | documents


@compiled
def pack_documents(terms: NDArray[np.uint32], lengths: NDArray[np.int64], keys: Keys) -> None:
    """Number documents from 0 and pack their postings.

    Args:
        terms: those of one document after the other, uint32, shape (n,).
        lengths: how many each document has, int64; their sum is n.
        keys: receives the postings, in that order, uint64, shape (n,).
    """
    place = 0
    for document in range(lengths.size):
        for _ in range(lengths[document]):
            keys[place] = (np.uint64(terms[place]) << TERM_SHIFT) | np.uint64(document)
            place += 1


@compiled
def drop_repeated(keys: Keys) -> int:
    """Move sorted numbers that are not the same as the one before to the front.

    Returns:
        How many there are.
    """
    if not keys.size:
        return 0
    count = 1
    for place in range(1, keys.size):
        if keys[place] != keys[count - 1]:
            keys[count] = keys[place]
            count += 1
    return count


def terms_of(keys: Keys) -> NDArray[np.uint32]:
    """Return the upper halves."""
    return (keys >> TERM_SHIFT).astype(np.uint32)


def documents_of(keys: Keys) -> NDArray[np.uint32]:
    """Return the lower halves."""
    return keys.astype(np.uint32)

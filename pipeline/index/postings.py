"""Postings as sortable numbers: the term in the upper half, the document in the lower."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Keys: TypeAlias = NDArray[np.uint64]
"""term << 32 | document, sorted, none twice."""

TERM_SHIFT: Final = np.uint64(32)
"""Bits of a key below its term."""


def pack(terms: NDArray[np.uint32], documents: NDArray[np.uint32]) -> Keys:
    """Return `terms << 32 | documents`, so that one sort orders pairs."""
    return (terms.astype(np.uint64) << TERM_SHIFT) | documents


def terms_of(keys: Keys) -> NDArray[np.uint32]:
    """Return the upper halves."""
    return (keys >> TERM_SHIFT).astype(np.uint32)


def documents_of(keys: Keys) -> NDArray[np.uint32]:
    """Return the lower halves."""
    return keys.astype(np.uint32)

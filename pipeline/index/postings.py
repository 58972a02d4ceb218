"""Postings: (term, document id) pairs in order, and their form as one sortable number."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Postings(NamedTuple):
    """Pairs sorted by term, then document; no pair twice.

    Attributes:
        terms: uint32, shape (n,).
        documents: uint32, shape (n,).
    """

    terms: NDArray[np.uint32]
    documents: NDArray[np.uint32]


def pack(high: NDArray[np.uint32], low: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return `high << 32 | low`, so that one sort orders pairs."""
    return (high.astype(np.uint64) << np.uint64(32)) | low


def unpack(keys: NDArray[np.uint64]) -> Postings:
    """Undo `pack`."""
    return Postings((keys >> np.uint64(32)).astype(np.uint32), keys.astype(np.uint32))

"""Sets of document ids as sorted, distinct uint32 arrays."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.uint32]
Mask: TypeAlias = NDArray[np.bool_]


def no_ids() -> Ids:
    """Return the empty set."""
    return np.empty(0, dtype=np.uint32)


def contains(ids: Ids, values: Ids) -> Mask:
    """Tell which of `values` (any order, duplicates allowed) are in the set `ids`.

    Returns:
        Booleans of the shape of `values`.
    """
    if ids.size == 0:
        return np.zeros(values.shape, dtype=np.bool_)
    at = np.searchsorted(ids, values)
    # A value above the whole set lands past its end; any place inside answers "not equal".
    at[at == ids.size] = 0
    found: Mask = ids[at] == values
    return found


def without(ids: Ids, removed: Ids) -> Ids:
    """Return the ids that are not in the set `removed`."""
    return ids[~contains(removed, ids)] if removed.size else ids


def intersection(first: Ids, second: Ids) -> Ids:
    """Return the ids in both sets.

    The smaller set is looked up in the larger, and sets whose ranges don't meet cost nothing:
    new fingerprints have new, higher ids, so that is the common case.
    """
    if not first.size or not second.size or first[-1] < second[0] or second[-1] < first[0]:
        return no_ids()
    small, large = (first, second) if first.size <= second.size else (second, first)
    return small[contains(large, small)]


def union(sets: list[Ids]) -> Ids:
    """Return the ids in any of the sets; sets that follow each other cost little."""
    filled = sorted((ids for ids in sets if ids.size), key=lambda ids: int(ids[0]))
    if len(filled) < 2:
        return filled[0] if filled else no_ids()
    joined = np.concatenate(filled)
    if all(lower[-1] < upper[0] for lower, upper in pairwise(filled)):
        return joined
    return np.unique(joined)

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
    """Return which of `values` (any order, duplicates allowed) are in the set `ids`.

    Returns:
        Booleans of the shape of `values`.
    """
    if ids.size == 0:
        return np.zeros(values.shape, dtype=np.bool_)
    at = np.searchsorted(ids, values)
    # The place of a value above all ids is past the end; any valid place compares as unequal.
    at[at == ids.size] = 0
    found: Mask = ids[at] == values
    return found


def without(ids: Ids, removed: Ids) -> Ids:
    """Return the ids that are not in the set `removed`."""
    return ids[~contains(removed, ids)] if removed.size else ids


def intersection(first: Ids, second: Ids) -> Ids:
    """Return the ids in both sets.

    The smaller set is looked up in the larger. Sets with disjoint ranges take no time; they are the
    common case, because new fingerprints have higher ids.
    """
    if not first.size or not second.size or first[-1] < second[0] or second[-1] < first[0]:
        return no_ids()
    small, large = (first, second) if first.size <= second.size else (second, first)
    return small[contains(large, small)]


def union(sets: list[Ids]) -> Ids:
    """Return the ids in any of the sets; fast for sets with ascending ranges."""
    filled = sorted((ids for ids in sets if ids.size), key=lambda ids: int(ids[0]))
    if len(filled) < 2:
        return filled[0] if filled else no_ids()
    joined = np.concatenate(filled)
    if all(lower[-1] < upper[0] for lower, upper in pairwise(filled)):
        return joined
    return np.unique(joined)

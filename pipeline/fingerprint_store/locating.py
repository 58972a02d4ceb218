"""Finds fingerprints in all segments of a store, in one call of compiled code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.loops.compiled import compiled, inlined
from pipeline.loops.intrinsics import address_of, array_at, pointer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.fingerprint_store.segment import StoreSegment

    Numbers = NDArray[np.int64]
    Ids = NDArray[np.uint32]

MISSING: Final = -1
_COLUMNS: Final = 7  # five addresses, two sizes


def store_table(segments: Sequence[StoreSegment]) -> Numbers:
    """Return the argument of `locate` for segments, int64[segments, 7]; keep the segments alive."""
    rows = [
        [
            address_of(each.ids),
            address_of(each.tombstones),
            address_of(each.lengths),
            address_of(each.track_ids),
            address_of(each.starts),
            each.ids.size,
            each.tombstones.size,
        ]
        for each in segments
    ]
    return np.array(rows, np.int64).reshape(-1, _COLUMNS)


@compiled
def locate(table: Numbers, keys: Ids) -> Numbers:
    """Return the place, the length and the track of each fingerprint.

    Args:
        table: the table of the segments, oldest first.
        keys: ids, uint32[n].

    Returns:
        int64[n, 6]: segment (`MISSING` if no segment has the id or it is deleted), row, length in
        seconds, track id, and the start and end of its words in the segment's words.
    """
    found = np.full((keys.size, 6), MISSING, np.int64)
    for at in range(keys.size):
        for segment in range(table.shape[0] - 1, -1, -1):
            row = table[segment]
            ids = array_at(pointer(row[0]), (row[5],), np.uint32)
            tombstones = array_at(pointer(row[1]), (row[6],), np.uint32)
            if _place(tombstones, keys[at]) >= 0:
                break
            place = _place(ids, keys[at])
            if place >= 0:
                found[at, 0] = segment
                found[at, 1] = place
                found[at, 2] = array_at(pointer(row[2]), (row[5],), np.uint32)[place]
                found[at, 3] = array_at(pointer(row[3]), (row[5],), np.uint32)[place]
                starts = array_at(pointer(row[4]), (row[5] + 1,), np.uint64)
                found[at, 4] = starts[place]
                found[at, 5] = starts[place + 1]
                break
    return found


@inlined
def _place(column: Ids, key: np.uint32) -> int:
    """Return the place of a key in an ascending column, -1 if it is not in it."""
    low, high = 0, column.size
    while low < high:
        middle = (low + high) >> 1
        if column[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < column.size and column[low] == key else -1
